"""The choice of a first model, on the Audit page and on top of the Models page, with tiny weights under real names."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from cache import engines
from cache.jobs.queue import shared_queue
from core.models import registry
from tests.conftest import PAGE_MODEL, opened, workspace
from tests.pages.models_page import PAGE as MODELS
from tests.pages.models_page import ended, said
from tests.shipped_model import NAME, assets, put_weights_here, shipped
from tests.waiting import until

__all__ = ["assets", "shipped"]  # fixtures
APP = str(Path(__file__).resolve().parents[3] / "app.py")
USE, CLOSE = f"model_offer_use_{NAME}", "model_offer_close"


@pytest.fixture
def first_visit(on_page_model, page_spec, shipped, tiny_folder, monkeypatch):
    """first_visit(page) opens a page; the tiny model is the demo, and nobody has chosen a model."""
    engines.unload_all()
    monkeypatch.setenv("HYDRASCOPE_MODEL", "")
    registry.register(replace(page_spec, name="demo"))
    put_weights_here(tiny_folder)
    yield lambda page=APP: checked(opened(page))
    engines.unload_all()


def checked(app: AppTest) -> AppTest:
    assert not app.exception and not [error for error in app.error if "a bug in Hydrascope" in error.value]
    return app


def offered(app: AppTest) -> bool:
    return any(button.key == USE for button in app.button)


def test_each_model_has_its_line_and_the_demo_is_in_use(first_visit):
    app = first_visit()
    text = said(app).replace("\\", "")
    assert "**demo** :gray[in use]" in text and "Taught to refuse by us." in text
    assert f"**{NAME}**" in text and "Trained to refuse by its makers. Already downloaded." in text
    assert app.button(key=USE).label == "Use it" and "for every visitor" in app.button(key=USE).help


def test_using_it_changes_every_page_to_it_and_ends_the_choice(first_visit):
    app = first_visit()
    app = checked(ended(app.button(key=USE).click().run()))
    assert registry.chosen_name() == NAME and engines.is_loaded(NAME) and not offered(app)
    assert len(app.dataframe[0].value) > 10 and "12,000 held-out chat tokens" in said(app).replace("\\", "")
    assert any("about " in str(value) for value in app.dataframe[0].value["label"])
    assert not offered(first_visit()), "somebody has chosen"


def test_the_demo_goes_on_while_the_other_model_waits(first_visit):
    app, gate = first_visit(), threading.Event()
    shared_queue().submit("search", "a", "A search", lambda control: gate.wait(60))
    try:
        until(lambda: shared_queue().has_device())
        app = checked(app.button(key=USE).click().run())
        assert not offered(app) and "You can go on meanwhile." in said(app)
        assert [metric.label for metric in app.metric][:1] == ["Refusal score"] and registry.chosen_name() == "demo"
        app = checked(app.button(key="set_direction").click().run())
        assert workspace(app).words == ("direction",)
        app = checked(app.button(key="models_stop").click().run())
        until(lambda: not shared_queue().under_way("model"))
        app = checked(app.run())
        assert offered(app) and len(app.info) == 1, "stopped, which is said beside the choice"
    finally:
        gate.set()
        until(lambda: not shared_queue().under_way())


def test_closing_it_keeps_the_demo_and_ends_it_for_this_visitor(first_visit):
    app = checked(first_visit().button(key=CLOSE).click().run())
    assert not offered(app) and registry.chosen_name() == "demo" and not registry.is_chosen()
    assert not offered(checked(app.run())) and offered(first_visit())


def test_a_load_that_fails_is_told_and_the_choice_is_there_again(first_visit, shipped):
    (shipped / "saes" / "layer_01" / "sae_weights.safetensors").write_bytes(b"damaged")
    app = first_visit()
    app = checked(ended(app.button(key=USE).click().run()))
    assert len(app.error) == 1 and offered(app) and registry.chosen_name() == "demo" and not registry.is_chosen()


def test_who_started_the_program_with_a_model_has_chosen(first_visit, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_MODEL", PAGE_MODEL)
    assert not offered(first_visit())


def test_nothing_is_offered_without_shipped_saes(first_visit, shipped):
    shipped.rename(shipped.with_name("elsewhere"))
    assert not offered(first_visit())


def test_on_the_models_page_the_model_below_is_the_one_that_loads(first_visit):
    app = first_visit(MODELS)
    assert offered(app) and app.selectbox(key="models_model").value == "demo"
    app = app.button(key=USE).click().run()
    app = checked(ended(app))
    assert app.selectbox(key="models_model").value == NAME and app.button(key="models_load").label == "In use"
    assert registry.chosen_name() == NAME and not offered(app)
