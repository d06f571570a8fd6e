"""The Discover page compares runs with other SAEs: offered, carried out as a job, shown with chance beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cache.jobs.queue import shared_queue
from cache.store import database as store
from cache.store.runs import Runs
from core import load
from core.discovery.runner import run_steps
from core.models import registry
from tests.conftest import opened
from tests.other_saes import permuted
from tests.small_search import INPUTS, SETTINGS, judge
from tests.waiting import until

PAGE = str(Path(__file__).resolve().parents[2] / "pages" / "discover" / "page.py")


def finished(spec):
    """A run of the first two stages on a model of that spec."""
    runs, engine = Runs(store.shared_store()), load(spec, device="cpu", dtype="float32")
    run = runs.create(engine, INPUTS, replace(SETTINGS, stages=(1, 2), cost_sets=0), spec.name)
    work = runs.work(run, engine)
    work.judge = judge
    run_steps(work)
    runs.set_state(run, "finished")
    return run


@pytest.fixture
def two(on_page_model, page_spec, tmp_path):
    """Two runs of the page's model, the second with its SAEs in another order."""
    other = {n: permuted(Path(sae), tmp_path / "other" / f"layer_{n}", n) for n, sae in page_spec.saes.items()}
    second = replace(page_spec, name="tiny-other", saes=other)
    registry.register(second)
    yield finished(page_spec), finished(second)
    until(lambda: not shared_queue().under_way())


def test_runs_with_other_saes_are_compared_beside_chance(two):
    app = opened(PAGE)
    assert not app.exception
    (choice,) = app.multiselect
    assert len(choice.options) == 2 and app.button(key="discover_compare").disabled
    choice.set_value(list(two)).run()
    app.button(key="discover_compare").click().run()
    until(lambda: not shared_queue().under_way())
    app.run()
    assert not app.exception and not app.error
    frame = next(one.value for one in app.dataframe if "chance" in one.value)
    assert frame["value"].tolist() == pytest.approx([1.0] * 4, abs=1e-6)
    assert {"value, from", "value, to", "n", "chance, from", "chance, to"} <= set(frame)
    assert any("decoder cosine" in caption.value for caption in app.caption)


def test_one_run_alone_offers_no_comparison(on_page_model, page_spec):
    finished(page_spec)
    app = opened(PAGE)
    assert not app.exception and not app.multiselect
    app.segmented_control(key="discover_view").set_value("Analyses").run()
    shown = [one.value for one in app.dataframe if "harmful, from" in one.value]
    assert len(shown) == 1 and shown[0]["harmful, n"].gt(0).all(), "the paper's Figures 4 and 5"
