"""A model that somebody adds on the Models page, through the loopback hub: checked, added, used, removed; each trouble
in a sentence, with what was typed still there.
"""

from __future__ import annotations

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from core.models import added, registry
from pages.models import add_model, picker
from tests.conftest import PAGE_MODEL, opened
from tests.pages.models_page import PAGE, ended, said, used
from tests.served_models import CANONICAL, LAYERS, MODEL, served

__all__ = ["served"]  # a fixture

TYPED = {"name": "mine", "model": MODEL, "saes": CANONICAL, "choose": "width_16k", "layers": "2-4"}


@pytest.fixture
def page(on_page_model):
    """page() opens the page; the tiny model is in use."""
    yield lambda: opened(PAGE)
    engines.unload_all()


def checked(app: AppTest, **typed: str) -> AppTest:
    for field, text in (TYPED | typed).items():
        app.text_input(key=f"add_{field}").set_value(text)
    app.button(key="add_start_check").click().run()
    return ended(app)


def unescaped(app: AppTest) -> str:
    return (said(app) + " ".join(note.value for note in app.success)).replace("\\", "")


def keys(app: AppTest) -> set[str]:
    return {button.key for button in app.button}


def test_it_is_checked_added_and_chosen(page, served):
    app = checked(page())
    assert not app.exception and not app.error, said(app)
    told = unescaped(app)
    assert f"{MODEL}: 6 layers of 32" in told and f"{CANONICAL}, layers 2–4" in told and "“I” (" in told
    assert not added.added_models() and not [r for r in served.requests if r.body and r.file.endswith("safetensors")]
    app.button(key="add_to_list").click().run()
    assert not app.exception and not app.error, said(app)
    assert list(added.added_models()) == ["mine"] and app.selectbox(key=picker.MODEL).value == "mine"
    assert "“mine” is on your list" in unescaped(app) and f"mine · {MODEL}" in app.selectbox(key=picker.MODEL).options
    assert app.text_input(key="add_name").value == "" and app.text_input(key="add_refusal").value == "I"
    assert "add_to_list" not in keys(app) and "It fits" in unescaped(app)
    assert "on your list" not in unescaped(app.run()), "said once"


def test_every_page_has_it_once_it_is_used(page, served):
    app = checked(page())
    app.button(key="add_to_list").click().run()
    used(app)
    assert not app.exception and not app.error, said(app)
    assert registry.chosen_name() == "mine" and engines.is_loaded("mine")
    assert engines.get_engine("mine").spec.layers == LAYERS
    assert app.button(key="add_remove").disabled, "it is in use"
    registry.reset()  # as in a process that starts now
    assert registry.find_spec("mine") == engines.get_engine("mine").spec


def test_folders_on_this_machine_do_too(page, tiny_folder, tmp_path):
    for name in ("model", "layer_1", "layer_2"):
        shutil.copytree(tiny_folder / name, tmp_path / "here" / name)
    app = checked(
        page(), model=str(tmp_path / "here" / "model"), saes=str(tmp_path / "here"), choose="layer_{layer}", layers=""
    )
    assert not app.error, said(app)
    app.button(key="add_to_list").click().run()
    assert registry.find_spec("mine").layers == (1, 2)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ({"name": "demo"}, "known already"),
        ({"name": ""}, "cannot be a model's name"),
        ({"model": "nobody/nothing"}, "There is no model nobody/nothing"),
        ({"saes": "gemma-scope-2b-pt-res-canonicl"}, "did you mean gemma-scope-2b-pt-res-canonical"),
        ({"choose": ""}, "has 2 SAEs at layer 2: layer_2/width_16k/canonical"),
        ({"layers": "<b>x</b>"}, "“<b>x</b>” are no layers"),
        ({"layers": "7"}, "does not fit layer 7"),
        ({"refusal": ""}, "No refusal word is named"),
    ],
)
def test_what_was_typed_stays_after_an_error(page, served, typed, sentence):
    app = checked(page(), **typed)
    assert not app.exception and len(app.error) == 1 and sentence in unescaped(app)
    for field, text in (TYPED | typed).items():
        assert app.text_input(key=f"add_{field}").value == text
    assert "add_to_list" not in keys(app)
    mended = checked(app, refusal="I")
    assert not mended.error and "add_to_list" in keys(mended)


def test_a_gated_model_says_how_to_get_in(page, served, tmp_path):
    served.add(MODEL, tmp_path / "model", gated="manual")
    assert "accept its licence" in unescaped(checked(page()))


def test_another_check_takes_the_place_of_the_last(page, served):
    app = checked(checked(page()), name="other")
    assert app.button(key="add_to_list").label == "Add other"
    assert "add_to_list" not in keys(checked(app, model="nobody/nothing"))


def test_a_name_taken_meanwhile_is_a_sentence(page, served):
    app = checked(page())
    model = app.session_state[add_model.FOUND].model
    registry.remember(model)
    app.button(key="add_to_list").click().run()
    assert len(app.error) == 1 and "known already" in unescaped(app)


def test_it_is_taken_off_the_list(page, served):
    app = checked(page())
    app.button(key="add_to_list").click().run()
    app.button(key="add_remove").click().run()
    assert not app.exception and not app.error and not added.added_models()
    assert app.selectbox(key=picker.MODEL).value == PAGE_MODEL and "“mine” was removed from your list" in unescaped(app)
    assert "add_remove" not in keys(app), "the other models were not added"


def test_one_that_another_process_removed_first_is_gone_too(page, served, monkeypatch):
    app = checked(page())
    app.button(key="add_to_list").click().run()
    monkeypatch.setattr(add_model, "forget", lambda name: [registry.forget(name), registry.forget(name)])
    app.button(key="add_remove").click().run()
    assert not app.exception and len(app.error) == 1 and "no model called “mine”" in unescaped(app)
    assert app.run().selectbox(key=picker.MODEL).value == PAGE_MODEL


def test_a_damaged_list_is_told(page, tmp_path):
    (tmp_path / "own_models.json").write_text("{")
    assert "was damaged and is put aside" in unescaped(page())
