"""Loading a model as a job: files at once, the load when the device is free; no failure changes the model in use."""

import threading
from dataclasses import replace

import pytest

from cache import engines
from cache.jobs import models, prompt_sets
from cache.jobs.queue import Queue
from core.models import registry
from core.models.check_added import Draft
from core.prompts.sources import SOURCES
from tests.waiting import until


@pytest.fixture
def specs(tiny_spec):
    """Two models; the first is in use. Nothing is loaded before or after."""
    engines.unload_all()
    found = [replace(tiny_spec, name=name) for name in ("one", "other")]
    registry.choose_model(found[0])
    yield found
    engines.unload_all()


def ended(queue, job):
    queue.wait(job.id, 60)
    return queue.job(job.id)


def test_a_model_is_loaded_and_every_page_uses_it(specs):
    queue = Queue()
    job = ended(queue, models.start(queue, specs[1]))
    assert (job.state, job.kind, job.result, job.title) == ("finished", "model", "other", "other, layers 1–3"), (
        job.error
    )
    assert registry.chosen_name() == "other" and engines.is_loaded("other")


def test_the_load_waits_for_the_device_and_the_model_in_use_stays_meanwhile(specs):
    queue, gate = Queue(), threading.Event()
    queue.submit("search", "a", "A search", lambda control: gate.wait(60))
    until(lambda: queue.has_device())
    job = models.start(queue, specs[1])
    until(lambda: queue.job(job.id).message == "Waiting for the device" and queue.job(job.id).state == "waiting")
    assert registry.chosen_name() == "one" and not engines.is_loaded("other")
    queue.stop(job.id)
    assert ended(queue, job).state == "stopped" and registry.chosen_name() == "one"
    again = models.start(queue, specs[1])
    gate.set()
    assert ended(queue, again).state == "finished" and registry.chosen_name() == "other"


def test_a_model_that_cannot_be_loaded_leaves_the_one_in_use(specs, tmp_path):
    queue = Queue()
    broken = replace(specs[0], name="broken", model_id=str(tmp_path / "nowhere"))
    job = ended(queue, models.start(queue, broken))
    assert job.state == "failed" and "nowhere" in job.error and registry.chosen_name() == "one"


def test_a_check_and_a_prompt_set_fail_in_a_sentence_beside_the_device(specs, monkeypatch):
    queue, gate = Queue(), threading.Event()
    queue.submit("search", "a", "A search", lambda control: gate.wait(60))
    check = models.start_check(queue, Draft("demo", "owner/model", "nowhere"), "a form")
    assert "known already" in ended(queue, check).error
    fetch = prompt_sets.start(queue, SOURCES[0], SOURCES[0].kinds[0])
    assert ended(queue, fetch).state == "failed" and fetch.key == prompt_sets.key_of(SOURCES[0], SOURCES[0].kinds[0])
    gate.set()
