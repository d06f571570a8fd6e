"""Runs as jobs: begun, paused, resumed, stopped, killed with the process; and people go first meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cache.jobs import search
from cache.jobs.queue import Queue
from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits
from core.discovery import runner, steps
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from tests.waiting import until

NOUNS = ["bread", "town", "story", "cat", "dog", "help", "place", "small", "large", "old", "new", "red"]
TEXTS = tuple(f"How do I {verb} a {noun}?" for verb in ("bake", "tell", "help", "find", "see") for noun in NOUNS)
SETTINGS = Settings(stages=(1,), tokens=3, k_steps=(2,))


@pytest.fixture
def runs(tmp_path):
    return Runs(Store(tmp_path / "runs.duckdb"))


@pytest.fixture
def gate(monkeypatch):
    """Lets the screening of one group through at a time."""
    allowed, seen, original = threading.Semaphore(0), [], steps.do_screen

    def slow(work, group):
        seen.append(list(group))
        assert allowed.acquire(timeout=60)
        return original(work, group)

    stages = tuple(s._replace(do=slow) if s.name == "screen" else s for s in runner.STEPS)
    monkeypatch.setattr(runner, "STEPS", stages)
    return allowed, seen


@pytest.fixture
def queue():
    return Queue()


def here(queue, identifier):
    return search.job_of(queue, identifier) is not None


def test_a_run_is_carried_out_and_its_state_is_written_down(queue, runs, tiny):
    identifier = runs.create(tiny, Inputs(TEXTS[:20], TEXTS[20:30]), SETTINGS, "mine")
    job = search.start(queue, runs, identifier, tiny)
    assert search.start(queue, runs, identifier, tiny).id == job.id and job.title == "mine", "twice is once"
    until(lambda: not here(queue, identifier))
    assert runs.get(identifier).state == "finished" == search.state_of(queue, runs.get(identifier))
    assert len(runs.work(identifier, tiny).ledger.read("screen")) == 30
    assert queue.job(job.id).share == 1.0


def test_a_run_of_another_number_format_fails_with_a_sentence_and_gets_no_row(queue, runs, tiny):
    identifier = runs.create(tiny, Inputs(TEXTS[:20], TEXTS[20:30]), SETTINGS, computed_on=("bfloat16", "cpu"))
    search.start(queue, runs, identifier, tiny)
    until(lambda: not here(queue, identifier))
    found = runs.get(identifier)
    assert found.state == "failed" and "was computed in bfloat16 on cpu" in found.note
    assert runs.ledger(identifier).read("screen") == {}


def test_pause_go_on_and_stop(queue, runs, tiny, gate):
    allowed, seen = gate
    identifier = runs.create(tiny, Inputs(TEXTS, TEXTS[:40]), SETTINGS)
    search.start(queue, runs, identifier, tiny)
    until(lambda: len(seen) == 1)
    search.pause(queue, runs, identifier)
    assert search.state_of(queue, runs.get(identifier)) == "paused" == runs.get(identifier).state
    allowed.release()
    until(lambda: len(runs.ledger(identifier).read("screen")) == 32)
    time.sleep(0.1)
    assert len(seen) == 1  # held before the next group
    search.go_on(queue, runs, identifier)
    until(lambda: len(seen) == 2)
    assert search.job_of(queue, identifier).message.endswith(": 32 of 100")
    search.stop(queue, runs, identifier)
    allowed.release()
    until(lambda: not here(queue, identifier))
    assert runs.get(identifier).state == "stopped"
    assert "you can resume" in queue.latest("search", identifier).message
    assert len(runs.ledger(identifier).read("screen")) == 60
    for _ in range(10):
        allowed.release()
    search.start(queue, runs, identifier, tiny)  # and later on from there
    until(lambda: not here(queue, identifier))
    assert runs.get(identifier).state == "finished" and len(seen) == 4


def test_a_paused_run_can_be_stopped(queue, runs, tiny, gate):
    allowed, seen = gate
    identifier = runs.create(tiny, Inputs(TEXTS, ()), SETTINGS)
    search.start(queue, runs, identifier, tiny)
    until(lambda: len(seen) == 1)
    search.pause(queue, runs, identifier)
    allowed.release()
    search.stop(queue, runs, identifier)
    until(lambda: not here(queue, identifier))
    assert runs.get(identifier).state == "stopped"


def test_a_run_that_waits_can_be_paused_and_stopped_and_says_so(queue, runs, tiny, gate):
    allowed, seen = gate
    first, second = (runs.create(tiny, Inputs(TEXTS[:n], ()), SETTINGS) for n in (32, 16))
    search.start(queue, runs, first, tiny)
    until(lambda: len(seen) == 1)
    search.start(queue, runs, second, tiny)
    search.pause(queue, runs, second)
    assert runs.get(second).state == "paused"
    search.stop(queue, runs, second)
    until(lambda: not here(queue, second))
    assert runs.get(second).state == "stopped" and not runs.ledger(second).read("screen")
    search.stop(queue, runs, first)
    allowed.release()
    until(lambda: not here(queue, first))


def test_runs_wait_for_one_another_and_one_that_fails_does_not_hold_up_the_next(queue, runs, tiny, gate):
    allowed, seen = gate
    first, second = (runs.create(tiny, Inputs(TEXTS[:n], ()), SETTINGS) for n in (60, 16))
    search.start(queue, runs, first, tiny)
    until(lambda: len(seen) == 1)
    search.start(queue, runs, second, tiny)
    stands = [search.state_of(queue, runs.get(one)) for one in (first, second)]
    assert stands == ["running", "waiting"] and queue.has_device().key == first
    original = runs.work

    class Broken(Runs):
        def work(self, run, engine):
            raise OSError("the disk is full")

    search.stop(queue, runs, first)
    allowed.release()
    allowed.release()
    until(lambda: not here(queue, second))
    assert runs.get(first).state == "stopped" and runs.get(second).state == "finished"
    third = runs.create(tiny, Inputs(TEXTS[:16], ()), SETTINGS)
    search.start(queue, Broken(runs.store), third, tiny)
    until(lambda: not here(queue, third))
    assert runs.get(third).state == "failed" == search.state_of(queue, runs.get(third))
    assert runs.get(third).note == "OSError: the disk is full. The log has the details."
    assert original(third, tiny)


def test_somebody_measuring_meanwhile_gets_what_they_would_have_got_alone(queue, runs, tiny):
    edits = [Edits(), Edits.ablate_direction(tiny.direction())]
    before = tiny.measure(TEXTS[:4], edits)
    identifier = runs.create(tiny, Inputs(TEXTS, TEXTS), SETTINGS)
    search.start(queue, runs, identifier, tiny)
    while here(queue, identifier):
        found = tiny.measure(TEXTS[:4], edits)
        assert abs(found.p_refusal - before.p_refusal).max() < 1e-6
        time.sleep(0.3)
    assert runs.get(identifier).state == "finished"


KILLED = """
import os, signal, sys
from pathlib import Path
from cache.jobs import search
from cache.jobs.queue import shared_queue
from cache.store.database import Store
from cache.store.runs import Runs
from core import ModelSpec, load
from core.discovery import runner, steps
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.edits.direction import load_direction

folder, store = Path(sys.argv[1]), Path(sys.argv[2])
spec = ModelSpec("tiny", str(folder / "model"), (1, 2, 3), (40,), {n: folder / f"layer_{n}" for n in (1, 2, 3)},
                 direction=Path(sys.argv[3]))
engine, runs, groups = load(spec, device="cpu", dtype="float32"), Runs(Store(store)), []

def second_kills(work, group):
    groups.append(group)
    if len(groups) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return steps.do_screen(work, group)

runner.STEPS = tuple(s._replace(do=second_kills) if s.name == "screen" else s for s in runner.STEPS)
run = runs.create(engine, Inputs(tuple(sys.argv[4:]), ()), Settings(stages=(1,), tokens=3, k_steps=(2,)))
print(run, flush=True)
shared_queue().wait(search.start(shared_queue(), runs, run, engine).id, 60)
"""


def test_a_run_killed_with_its_process_is_stopped_and_resumed_where_it_was(queue, tiny, tiny_folder, tmp_path):
    from core.edits.direction import save_direction

    direction, path = tmp_path / "d.safetensors", tmp_path / "killed.duckdb"
    save_direction(tiny.direction(), direction)
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tiny_folder), str(path), str(direction), *TEXTS],
        cwd=Path(__file__).resolve().parents[3],
        capture_output=True,
        text=True,
        env=os.environ | {"HYDRASCOPE_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    runs, identifier = Runs(Store(path)), done.stdout.strip()
    assert runs.get(identifier).state == "running", "as the process left it"
    assert search.state_of(queue, runs.get(identifier)) == "stopped"
    assert len(runs.ledger(identifier).read("screen")) == 32
    search.start(queue, runs, identifier, tiny)
    until(lambda: not here(queue, identifier))
    assert runs.get(identifier).state == "finished"
    assert list(runs.ledger(identifier).read("screen")) == [f"harmful/{n:04d}" for n in range(len(TEXTS))]
