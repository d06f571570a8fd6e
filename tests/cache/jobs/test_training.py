"""Training as a job: estimated, paused, stopped, gone on with; people go first; the loaded weights are used."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from cache import engines
from cache.jobs import training
from cache.jobs.queue import Queue
from core.forward.device_lock import DEVICE_LOCK, in_background
from core.models import registry
from core.models.trained import trained_suite
from core.training.turns import taking_turns
from tests.core.training.settings import SMALL
from tests.waiting import until

NAME = "tiny-to-train"
SETTINGS = replace(SMALL, layers=(1,))


@pytest.fixture
def spec(tiny_spec, page_spec, monkeypatch, tmp_path):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path))
    prompts = tmp_path / "prompts.csv"
    held_out = page_spec.prompts.read_text()
    prompts.write_text(held_out + "".join(f"benign,0,train,x,Tell me of bread {n}.\n" for n in range(6)))
    found = replace(tiny_spec, name=NAME, layers=(), saes={}, prompts=prompts)
    registry.register(found)
    engines.unload_all()  # whatever tests of other jobs left loaded
    yield found
    engines.unload_all()


def ended(queue, job):
    queue.wait(job.id, 240)
    return queue.job(job.id)


def test_it_is_estimated_trained_and_the_suite_is_there(spec):
    queue = Queue()
    plan = ended(queue, training.start_estimate(queue, NAME, SETTINGS)).result
    assert plan.answers == 18 and plan.seconds > 0
    job = ended(queue, training.start(queue, f"{NAME}/trained", SETTINGS))
    assert (job.state, job.result) == ("finished", f"{NAME}/trained"), job.error
    assert registry.find_spec(NAME).layers == (1,)
    assert not engines.loaded_names(), "the pages' engine is theirs to choose"


def test_paused_it_lets_another_have_the_device_and_stopped_it_goes_on(spec):
    queue = Queue()
    job = training.start(queue, NAME, replace(SETTINGS, passes=400))
    until(lambda: "step" in queue.job(job.id).message, 120)
    assert queue.pause(job.id)
    other = queue.submit("search", "a", "A search", lambda control: "done")
    assert ended(queue, other).result == "done" and training.job_of(queue, NAME).state == "paused"
    queue.stop(job.id)
    assert ended(queue, job).state == "stopped" and trained_suite(NAME) is None
    assert ended(queue, training.start(queue, NAME, SETTINGS)).state == "finished"


def test_a_loaded_model_is_not_loaded_again(spec, monkeypatch):
    engine = engines.get_engine(NAME)

    def forbidden(*arguments, **named):
        raise AssertionError("loaded twice")

    monkeypatch.setattr(training, "load_plain", forbidden)
    queue = Queue()
    assert ended(queue, training.start(queue, NAME, SETTINGS)).state == "finished"
    assert engine.widths == {}, "what the pages use is as it was"


def test_layers_it_does_not_have_fail_in_a_sentence(spec):
    queue = Queue()
    job = ended(queue, training.start(queue, NAME, replace(SETTINGS, layers=(9,))))
    assert job.state == "failed" and "layers 0 to 3" in job.error


def test_a_training_passes_wait_while_somebody_uses_the_device(plain):
    import torch

    begun, done = threading.Event(), threading.Event()

    def train() -> None:
        with in_background(), taking_turns(plain):
            begun.set()
            plain(torch.tensor([[0, 1, 2]]))
            done.set()

    with DEVICE_LOCK:
        thread = threading.Thread(target=train)
        thread.start()
        assert begun.wait(10) and not done.wait(0.5)
        plain(torch.tensor([[0, 1]]))  # the hooks are another thread's, and leave this one alone
    assert done.wait(10)
    thread.join()
