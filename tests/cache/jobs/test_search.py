"""The background worker: begins, pauses, goes on, stops, survives failures, and people go first meanwhile."""

import threading
import time

import pytest

from cache.jobs.search import Worker
from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits
from core.discovery import runner
from core.discovery import steps as search
from core.discovery.context import Inputs
from core.discovery.settings import Settings

NOUNS = ["bread", "town", "story", "cat", "dog", "help", "place", "small", "large", "old", "new", "red"]
TEXTS = tuple(f"How do I {verb} a {noun}?" for verb in ("bake", "tell", "help", "find", "see") for noun in NOUNS)
SETTINGS = Settings(stages=(1,), tokens=3, k_steps=(2,))


@pytest.fixture
def runs(tmp_path):
    return Runs(Store(tmp_path / "runs.duckdb"))


def until(what, seconds=60.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


@pytest.fixture
def gate(monkeypatch):
    """Lets the screening of one group through at a time."""
    allowed, seen, original = threading.Semaphore(0), [], search.do_screen

    def slow(work, group):
        seen.append(list(group))
        assert allowed.acquire(timeout=60)
        return original(work, group)

    stages = tuple(s._replace(do=slow) if s.name == "screen" else s for s in runner.STAGES)
    monkeypatch.setattr(runner, "STAGES", stages)
    return allowed, seen


def test_a_run_is_carried_out_and_told(runs, tiny):
    worker, identifier = Worker(), runs.create(tiny, Inputs(TEXTS[:20], TEXTS[20:30]), SETTINGS)
    worker.start(identifier, tiny, runs)
    worker.start(identifier, tiny, runs)  # twice is once
    until(lambda: not worker.here(identifier))
    assert runs.get(identifier).state == "finished"
    assert len(runs.work(identifier, tiny).ledger.read("screen")) == 30
    assert worker.progress(identifier) is None


def test_pause_go_on_and_stop(runs, tiny, gate):
    allowed, seen = gate
    worker, identifier = Worker(), runs.create(tiny, Inputs(TEXTS, TEXTS[:40]), SETTINGS)
    worker.start(identifier, tiny, runs)
    until(lambda: len(seen) == 1)
    worker.pause(identifier)
    assert worker.paused(identifier) and runs.get(identifier).state == "paused"
    allowed.release()
    ledger = runs.work(identifier, tiny).ledger
    until(lambda: len(type(ledger)(runs.store, identifier).read("screen")) == 16)
    time.sleep(0.1)
    assert len(seen) == 1  # held before the next group
    worker.go_on(identifier)
    until(lambda: len(seen) == 2)
    assert worker.progress(identifier).done == 16 and worker.progress(identifier).of == 100
    worker.stop(identifier)
    allowed.release()
    until(lambda: not worker.here(identifier))
    assert runs.get(identifier).state == "stopped"
    assert len(type(ledger)(runs.store, identifier).read("screen")) == 32
    for _ in range(10):
        allowed.release()
    worker.start(identifier, tiny, runs)  # and later on from there
    until(lambda: not worker.here(identifier))
    assert runs.get(identifier).state == "finished" and len(seen) == 7


def test_a_paused_run_can_be_stopped(runs, tiny, gate):
    allowed, seen = gate
    worker, identifier = Worker(), runs.create(tiny, Inputs(TEXTS, ()), SETTINGS)
    worker.start(identifier, tiny, runs)
    until(lambda: len(seen) == 1)
    worker.pause(identifier)
    allowed.release()
    worker.stop(identifier)
    until(lambda: not worker.here(identifier))
    assert runs.get(identifier).state == "stopped"


def test_runs_wait_for_one_another_and_one_that_fails_does_not_hold_up_the_next(runs, tiny, gate, monkeypatch):
    allowed, seen = gate
    first, second = (runs.create(tiny, Inputs(TEXTS[:n], ()), SETTINGS) for n in (32, 16))
    worker = Worker()
    worker.start(first, tiny, runs)
    until(lambda: len(seen) == 1)
    worker.start(second, tiny, runs)
    assert worker.waits(second) and not worker.waits(first)
    original = runs.work

    class Broken(Runs):
        def work(self, run, engine):
            raise OSError("the disk is full")

    worker.stop(first)
    allowed.release()
    allowed.release()
    until(lambda: not worker.here(second))
    assert runs.get(first).state == "stopped" and runs.get(second).state == "finished"
    third = runs.create(tiny, Inputs(TEXTS[:16], ()), SETTINGS)
    worker.start(third, tiny, Broken(runs.store))
    until(lambda: not worker.here(third))
    assert (runs.get(third).state, runs.get(third).note) == ("failed", "OSError: the disk is full")
    assert original(third, tiny)


def test_somebody_measuring_meanwhile_gets_what_they_would_have_got_alone(runs, tiny):
    edits = [Edits(), Edits.ablate_direction(tiny.direction())]
    before = tiny.measure(TEXTS[:4], edits)
    worker, identifier = Worker(), runs.create(tiny, Inputs(TEXTS, TEXTS), SETTINGS)
    worker.start(identifier, tiny, runs)
    while worker.here(identifier):
        found = tiny.measure(TEXTS[:4], edits)
        assert abs(found.p_refusal - before.p_refusal).max() < 1e-6
        time.sleep(0.3)
    assert runs.get(identifier).state == "finished"
