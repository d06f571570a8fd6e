"""Evaluations as jobs: cell by cell, stopped between two of them, gone on with, and failing in a sentence."""

import threading
from dataclasses import replace

import pytest

from cache.jobs import defence
from cache.jobs.queue import Queue
from cache.store.database import Store
from cache.store.defences import Defences
from core import Engine, Feature, InputError
from core.defence import Evaluation
from tests.oracles import PROMPTS
from tests.waiting import until

ASKED = Evaluation(
    "the active set", (Feature(2, 5),), (None, 4.5), tuple(PROMPTS[:2]), tuple(PROMPTS[2:3]), (), tokens=4
)


@pytest.fixture
def defences(tmp_path):
    return Defences(Store(tmp_path / "defences.duckdb"))


def ended(queue, job):
    queue.wait(job.id, 60)
    return queue.job(job.id)


def test_every_cell_is_done_and_kept(defences, tiny):
    queue, name = Queue(), defences.create(tiny, ASKED)
    job = ended(queue, defence.start(queue, defences, name, tiny))
    assert (job.state, job.kind, job.title) == ("finished", "defence", "the active set"), job.error
    assert set(defences.found(name)) == set(ASKED.places) and defence.job_of(queue, name) == job
    assert ended(queue, defence.start(queue, defences, name, tiny)).state == "finished", "nothing is left to do"


def test_it_stops_between_two_cells_and_goes_on_with_the_rest(defences, tiny, monkeypatch):
    queue, name, leave, answers, asked = Queue(), defences.create(tiny, ASKED), threading.Semaphore(0), tiny.answers, []

    def slow(*given):
        asked.append(given)
        assert leave.acquire(timeout=60)
        return answers(*given)

    monkeypatch.setattr(tiny, "answers", slow)
    job = defence.start(queue, defences, name, tiny)
    until(lambda: asked)
    assert queue.job(job.id).message == "no clamp, attacked" and queue.job(job.id).share == 0.0
    queue.stop(job.id)
    leave.release()
    found = ended(queue, job)
    assert found.state == "stopped" and "can go on from there" in found.message
    assert list(defences.found(name)) == ASKED.places[:1]
    leave.release(10)
    assert ended(queue, defence.start(queue, defences, name, tiny)).state == "finished"
    assert len(asked) == len(ASKED.places) and set(defences.found(name)) == set(ASKED.places)


def test_another_model_is_a_sentence(defences, tiny):
    queue, name = Queue(), defences.create(tiny, ASKED)
    other = Engine(replace(tiny.runtime, spec=replace(tiny.spec, name="other")), "for a test")
    job = ended(queue, defence.start(queue, defences, name, other))
    assert job.state == "failed" and "another model" in job.error
    with pytest.raises(InputError, match="no evaluation"):
        defence.start(queue, defences, "nowhere", tiny)
