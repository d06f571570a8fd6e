"""Training SAEs on the Models page, without a browser: estimate, train, stop, use; each trouble is a sentence."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from cache import engines
from cache.jobs import training
from cache.jobs.queue import shared_queue
from core.models import registry
from core.models.trained import trained_suite
from pages.models import train
from tests.conftest import opened
from tests.pages.models_page import PAGE, ended, said
from tests.waiting import until


@pytest.fixture
def page(on_page_model, page_spec, tmp_path, monkeypatch):
    """page() opens the page on a tiny model that has a few prompts to train on."""
    prompts = tmp_path / "prompts.csv"
    prompts.write_text(
        page_spec.prompts.read_text() + "".join(f"benign,0,train,x,Tell me of bread {n}.\n" for n in range(6))
    )
    # The queue outlives a test, and remembers how the last training of a model ended.
    registry.register(replace(page_spec, name=tmp_path.name, prompts=prompts))
    monkeypatch.setenv("HYDRASCOPE_MODEL", tmp_path.name)
    monkeypatch.setattr(train, "WIDTHS", (48, *train.WIDTHS))
    yield lambda: opened(PAGE)
    for job in shared_queue().under_way():
        shared_queue().stop(job.id)
    engines.unload_all()


def chosen(app, layers="1", passes=1.0):
    app.text_input(key=train.LAYERS).set_value(layers)
    app.selectbox(key=train.WIDTH).set_value(48)
    app.number_input(key=train.TOKENS).set_value(1_000)
    app.number_input(key=train.ACTIVE).set_value(6)
    app.number_input(key=train.PASSES).set_value(passes)
    return app.number_input(key=train.ANSWER).set_value(4).run()


def test_nothing_can_be_started_before_layers_are_named(page):
    app = page()
    assert not app.exception and not app.error
    assert app.button(key="train_start").disabled and app.button(key="train_estimate").disabled
    app = chosen(app, layers="one")
    assert len(app.error) == 1 and "is not a list of layers" in said(app) and app.button(key="train_start").disabled


def test_estimated_trained_used_with_one_click_and_its_card_shown(page):
    name = registry.chosen_name()
    app = chosen(page())
    app.button(key="train_estimate").click().run()
    app = ended(app)
    told = said(app).replace("\\", "")
    assert "The model answers 18 prompts" in told and "Time: about" in told, told
    app.button(key="train_start").click().run()
    app = ended(app)
    assert not app.exception and not app.error, said(app)
    assert f"{name}/trained" in said(app).replace("\\", "") and trained_suite(name).layers == (1,)
    app.button(key="train_use").click().run()
    app = ended(app)
    assert registry.chosen_name() == f"{name}/trained" and engines.is_loaded(f"{name}/trained")
    assert app.button(key="train_use").label == "In use"
    app = app.selectbox(key="models_model").set_value(f"{name}/trained").run()
    assert "Explained variance" in said(app) and not app.exception


def test_paused_and_stopped_it_is_continued(page, monkeypatch):
    name = registry.chosen_name()
    whole = training.train_for

    def slowed(*arguments, cancelled, **named):
        return whole(*arguments, cancelled=lambda: time.sleep(0.2) or cancelled(), **named)

    monkeypatch.setattr(training, "train_for", slowed)
    app = chosen(page(), passes=20.0)
    app.button(key="train_start").click().run()
    app.button(key="train_pause").click().run()
    until(lambda: shared_queue().under_way("training")[0].state == "paused")
    app.run()
    app.button(key="train_stop").click().run()
    app = ended(app)
    assert trained_suite(name) is None and not app.error
    monkeypatch.setattr(training, "train_for", whole)
    app.button(key="train_start").click().run()
    ended(app)
    assert trained_suite(name).layers == (1,)


def test_a_training_that_fails_says_why(page):
    app = chosen(page(), layers="7")
    app.button(key="train_start").click().run()
    app = ended(app)
    assert "layers 0 to 3" in said(app)
