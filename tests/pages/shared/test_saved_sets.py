"""Saved sets: those of the SAEs that are loaded are a click away, the others say what they are of and have a button."""

import pytest
from streamlit.testing.v1 import AppTest

from cache.engines import get_engine
from cache.store.audits import Audits
from cache.store.database import now, shared_store
from pages.shared import saved_sets
from tests.conftest import PAGE_MODEL, workspace
from tests.replaced_files import with_other_sae, with_other_weights


def script():
    from cache.engines import get_engine
    from pages.shared import saved_sets
    from pages.shared.workspace import session
    from tests.conftest import PAGE_MODEL

    saved_sets.popover(get_engine(PAGE_MODEL), session.current())


@pytest.fixture
def digests(on_page_model):
    return get_engine(PAGE_MODEL).runtime.digests


def keys(app: AppTest) -> list[str]:
    return [button.key for button in app.button if button.key.startswith("saved_")]


def test_a_set_of_other_saes_is_listed_told_and_taken_by_its_own_button(digests):
    store, engine = Audits(shared_store()), get_engine(PAGE_MODEL)
    store.save_set(PAGE_MODEL, with_other_sae(engine, 1).runtime.digests, "my refusal heads", "1-13,2-5")
    store.save_set(PAGE_MODEL, digests, "mine", "3-4")
    app = AppTest.from_function(script, default_timeout=60).run()
    assert not app.exception and keys(app) == ["saved_0", "saved_anyway_1"]
    (said,) = [caption.value for caption in app.caption]
    assert said.startswith("Saved when other SAEs (layer 1) were loaded") and "another feature now" in said
    assert app.markdown[-1].value == "my refusal heads :gray[2 edits]"
    app.button(key="saved_anyway_1").click().run()
    assert workspace(app).words_on == ("1-13", "2-5")


def test_what_was_saved_before_files_were_kept_says_so_and_other_weights_too(digests):
    shared_store().insert("saved_sets", [(now(), PAGE_MODEL, "old", "1-1", "", "")])
    other = with_other_weights(get_engine(PAGE_MODEL)).runtime.digests
    Audits(shared_store()).save_set(PAGE_MODEL, other, "weights", "1-1")
    app = AppTest.from_function(script, default_timeout=60).run()
    assert keys(app) == ["saved_anyway_0", "saved_anyway_1"]
    weights, old = [caption.value for caption in app.caption]
    assert weights == "Saved when other model files were loaded under this model’s name."
    assert "did not keep which files" in old


def test_saved_again_the_name_stands_for_the_new_one_whatever_other_layers_have(digests):
    store, fewer = Audits(shared_store()), digests._replace(saes={1: digests.saes[1]})
    store.save_set(PAGE_MODEL, fewer, "mine", "1-1")
    store.save_set(PAGE_MODEL, digests, "mine", "1-2")
    ((one, files),) = saved_sets.listed(PAGE_MODEL, digests)
    assert (one.edits, files) == ("1-2", "as loaded")
