"""Edits that were chosen for another model: nothing is computed with them before the visitor says what to do."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import shared_queue
from cache.store.audits import Audits
from cache.store.database import shared_store
from core.models import registry
from pages.shared.workspace.origin import origin
from tests.cache.store.rows import audit
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.waiting import until

APP = str(Path(__file__).resolve().parents[3] / "app.py")
OTHER = "Another *tiny* model"
GO, DROP, KEEP = "other_model_go", "other_model_drop", "other_model_keep"


@pytest.fixture
def another(on_page_model, page_spec, monkeypatch):
    """another() makes every page use the other model, as a click in another tab does."""
    registry.register(replace(page_spec, name=OTHER))
    yield lambda: monkeypatch.setenv("HYDRASCOPE_MODEL", OTHER)
    registry.choose_model(None)
    engines.unload_all()


def checked(app: AppTest) -> AppTest:
    assert not app.exception and not app.error
    return app


def asked(app: AppTest) -> str:
    """The question, without its escapes; empty where none is asked, and then something is computed."""
    checked(app)
    asks = [button.key for button in app.button if button.key == DROP]
    assert bool(asks) != bool(app.metric), "a score is shown where nothing is asked, and only there"
    return " ".join(one.value.replace("\\", "") for one in app.warning) if asks else ""


def told(app: AppTest) -> str:
    return " ".join(one.value.replace("\\", "") for one in app.info)


def test_a_link_of_another_model_computes_nothing_until_it_is_said_what_to_do(another):
    app = opened(APP, prompt="p", edits="2-3,9-1", model=OTHER)
    assert "This link is for the model **Another *tiny* model**, and **tiny-page** is loaded" in asked(app)
    assert workspace(app).words == ("2-3", "9-1") and app.query_params["model"] == OTHER
    assert [button.key for button in app.button if button.key.startswith("other_model")] == [GO, DROP, KEEP]
    assert asked(app.run()), "still"
    app.button(key=DROP).click().run()
    assert asked(app) == "" and workspace(app).words == () and workspace(app).prompt == "p"
    assert app.query_params["model"] == PAGE_MODEL
    app.button(key="workspace_undo").click().run()
    assert "The edits were chosen for the model **Another" in asked(app) and workspace(app).words == ("2-3", "9-1")
    app.button(key=KEEP).click().run()
    assert asked(app) == "" and workspace(app).words_on == ("2-3",) and "9-1" in told(app)
    assert workspace(app).origin.model == PAGE_MODEL


def test_the_button_loads_the_model_of_the_link(another):
    app = opened(APP, prompt="p", edits="2-3", model=OTHER)
    app.button(key=GO).click().run()
    until(lambda: not shared_queue().under_way("model"))
    assert asked(app.run()) == "" and registry.chosen_name() == OTHER and workspace(app).words_on == ("2-3",)


def test_a_model_that_is_not_known_here_cannot_be_gone_to_and_a_prompt_alone_can_be_asked(another):
    app = opened(APP, prompt="p", model="somebody's <b>own</b>")
    assert "No model of the first name is known here." in asked(app)
    assert [button.key for button in app.button if button.key.startswith("other_model")] == [DROP]
    app.button(key=DROP).click().run()
    assert asked(app) == "" and workspace(app).prompt == "p"


def test_a_link_of_other_saes_under_the_same_name_is_told_too(another):
    app = opened(APP, prompt="p", edits="2-3,1-1", model=PAGE_MODEL, saes="2.000000")
    assert "for other SAEs (layer 2) than" in asked(app) and GO not in [button.key for button in app.button]
    app.button(key=KEEP).click().run()
    assert asked(app) == "" and app.query_params["saes"] != "2.000000"
    again = opened(APP, prompt="p", edits="2-3", model=PAGE_MODEL, saes=app.query_params["saes"])
    assert asked(again) == "" and told(again) == "", "its own link is opened without a word"


def test_a_link_without_a_model_works_and_says_once_what_it_does_not_say(another):
    app = opened(APP, prompt="p", edits="2-3")
    assert asked(app) == "" and workspace(app).words_on == ("2-3",)
    assert "The link does not say for which model" in told(app)
    assert "model" not in app.query_params and told(app.run()) == ""
    app.get_by_key("edit_chips").set_value([]).run()
    assert app.query_params["model"] in (PAGE_MODEL, [PAGE_MODEL]), "what is chosen here is of this model"
    assert told(opened(APP, prompt="p", edits="direction")) == "", "no feature is named"


def test_a_tab_whose_model_another_tab_has_changed_asks_at_its_next_click(another):
    app = opened(APP, prompt="p", edits="2-3,3-4")
    assert asked(app) == ""
    another()
    app.get_by_key("edit_chips").set_value(["2-3"]).run()
    assert f"The edits were chosen for the model **{PAGE_MODEL}**, and **{OTHER}** is loaded" in asked(app)
    for page in ("hydra", "bos", "features"):
        app = app.switch_page(f"pages/{page}/page.py").run()
        assert asked(app), page
    app = app.switch_page("pages/audit/page.py").run()
    app.button(key=DROP).click().run()
    assert asked(app) == "" and workspace(app).origin == origin(OTHER, engines.get_engine(OTHER).runtime.digests.saes)


def test_edits_clicked_in_a_tab_that_still_shows_the_former_model_are_of_that_one(another):
    app = opened(APP, prompt="p")
    another()
    app.button(key="set_top").click().run()
    assert workspace(app).words_on and workspace(app).origin.model == PAGE_MODEL
    assert f"chosen for the model **{PAGE_MODEL}**" in asked(app)


def test_without_edits_the_prompt_is_asked_of_the_model_there_is_now_and_that_is_said(another):
    app = opened(APP, prompt="p")
    another()
    assert asked(app.run()) == "" and f"The model in use is {OTHER} now. Before, it was {PAGE_MODEL}." in told(app)


def test_what_replaces_edits_of_another_model_takes_their_pinned_sets_with_it(another):
    Audits(shared_store()).append(replace(audit("x", "1-1,2-3"), model=OTHER))
    app = opened(APP, prompt="p", edits="2-3", pin="2-4")
    another()
    assert asked(app.run())
    app.button(key="recent_0").click().run()
    assert asked(app) == "" and workspace(app).words_on == ("1-1", "2-3")
    assert workspace(app).origin.model == OTHER and workspace(app).pins == ()
    assert "The pinned sets were the other model’s" in told(app)
    app.button(key="workspace_undo").click().run()
    assert asked(app) and workspace(app).pins


def test_a_study_is_not_made_of_features_of_another_model(another):
    app = opened(APP, prompt="p", edits="2-3")
    another()
    app = app.switch_page("pages/study/page.py").run()
    app.selectbox(key="study_source").set_value("The active set").run()
    (error,) = app.error
    assert f"The active set was chosen for the model “{PAGE_MODEL}”" in error.value.replace("\\", "")
