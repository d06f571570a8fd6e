"""Judging as a job: one judge after another, stopped between two writes, and no failure loses what came before."""

import threading

import pytest

from cache.jobs import judging
from cache.jobs.judging import NamedMaker
from cache.jobs.queue import Queue
from cache.store.database import Store
from cache.store.judgements import Judgements
from cache.store.pairs import Pair
from core import DownloadError
from core.models.footprint import Footprint
from tests.judges import SUBSTRINGS
from tests.waiting import until

NOTHING = Footprint()
PAIRS = tuple(Pair(f"prompt {n}", "I cannot." if n % 2 else "Take flour and wait.") for n in range(11))


class Gated:
    """A judge of phrases that waits for leave before every chunk, and remembers what happened."""

    def __init__(self, name="gated", footprint=NOTHING, open_gate=False, error=None):
        self.name, self.revision, self._footprint, self.error = name, "1", footprint, error
        self.gate = threading.Semaphore(10**6 if open_gate else 0)
        self.asked, self.closed, self.threads = [], 0, set()

    def footprint(self):
        return self._footprint

    def judge(self, prompts, answers, ended=None):
        self.threads.add(threading.current_thread().name)
        self.asked.append(len(prompts))
        assert self.gate.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        return SUBSTRINGS.judge(prompts, answers)

    def close(self):
        self.closed += 1

    def as_maker(self):
        return NamedMaker(self.name, lambda progress, cancelled: self)


@pytest.fixture
def kept(tmp_path):
    return Judgements(Store(tmp_path / "s.duckdb"))


@pytest.fixture
def queue():
    return Queue()


def judged(queue, kept, *judges, key="k"):
    """The job of these judges on all pairs, as it ended."""
    job = judging.start(queue, key, "title", PAIRS, [one.as_maker() for one in judges], kept)
    queue.wait(job.id, 30)
    return queue.job(job.id)


def test_one_judge_after_another_each_let_go_and_all_of_it_stored(queue, kept):
    one, two = Gated("one", open_gate=True), Gated("two", open_gate=True)
    job = judged(queue, kept, one, two)
    assert (job.state, job.kind, job.title) == ("finished", "judging", "title") and queue.ended == 1
    assert (one.closed, two.closed) == (1, 1) and one.threads == two.threads == {f"hydrascope-{job.id}"}
    assert [s.judge for s in kept.stored(PAIRS)] == ["one", "two"] and not queue.under_way()
    assert kept.stored(PAIRS)[0].judgements == SUBSTRINGS.judge(*zip(*PAIRS, strict=True))


def test_a_stopped_job_keeps_what_was_judged_and_the_next_goes_on(queue, kept):
    judge = Gated()
    job = judging.start(queue, "k", "title", PAIRS, [judge.as_maker()], kept)
    until(lambda: judge.asked)
    assert queue.job(job.id).message == "gated: 0 of 11 judged" and queue.job(job.id).under_way
    assert judging.start(queue, "k", "title", PAIRS, [judge.as_maker()], kept).id == job.id, "twice is once"
    queue.stop(job.id)
    judge.gate.release()
    queue.wait(job.id, 30)
    assert queue.job(job.id).state == "stopped" and "continues from there" in queue.job(job.id).message
    assert len(kept.stored(PAIRS)[0].known) == 4 == sum(judge.asked) and judge.closed == 1
    judge.gate.release(10)
    assert judged(queue, kept, judge).state == "finished" and sum(judge.asked) == 11


def test_one_job_waits_for_another_and_can_be_stopped_while_it_waits(queue, kept):
    first, second = Gated("first"), Gated("second", open_gate=True)
    a = judging.start(queue, "a", "A", PAIRS, [first.as_maker()], kept)
    until(lambda: first.asked)
    b = judging.start(queue, "b", "B", PAIRS, [second.as_maker()], kept)
    c = judging.start(queue, "c", "C", PAIRS, [second.as_maker()], kept)
    assert [one.title for one in queue.under_way("judging")] == ["A", "B", "C"]
    assert queue.job(b.id).state == "waiting" and not second.asked
    queue.stop(c.id)
    queue.wait(c.id, 30)
    assert queue.job(c.id).state == "stopped" and not second.asked
    first.gate.release(10)
    queue.wait(b.id, 30)
    assert queue.job(a.id).state == queue.job(b.id).state == "finished" and sum(second.asked) == 11


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (DownloadError("The network is gone."), "gated: The network is gone."),
        (KeyError("x"), "KeyError: 'x'. The log has the details."),
    ],
)
def test_a_failure_is_a_sentence_and_what_came_before_is_kept(queue, kept, error, sentence):
    good, bad = Gated("good", open_gate=True), Gated(error=error, open_gate=True)
    job = judged(queue, kept, good, bad)
    assert (job.state, job.error) == ("failed", sentence)
    assert bad.closed == 1 and [one.judge for one in kept.stored(PAIRS)] == ["good"]
    other = Gated("other", open_gate=True)
    assert judged(queue, kept, other).state == "finished", "the place is free again"


def test_what_does_not_fit_is_never_asked_unless_all_is_known_already(queue, kept):
    judge = Gated(footprint=Footprint(memory=10**9, free=10**6), open_gate=True)
    job = judged(queue, kept, judge)
    assert job.state == "failed" and "does not fit now" in job.error and not judge.asked
    kept.judge(judge, *zip(*PAIRS, strict=True))
    before = len(judge.asked)
    assert judged(queue, kept, judge).state == "finished" and len(judge.asked) == before


def test_which_of_several_judges_is_at_work_is_in_the_message(queue, kept):
    first, second = Gated("first", open_gate=True), Gated("second")
    job = judging.start(queue, "k", "title", PAIRS, [first.as_maker(), second.as_maker()], kept)
    until(lambda: second.asked)
    assert queue.job(job.id).message == "2 of 2, second: 0 of 11 judged"
    second.gate.release(10)
    queue.wait(job.id, 30)


def test_a_judge_that_loads_nothing_does_not_wait_for_the_device(queue, kept):
    gate, judge = threading.Event(), Gated("phrases", open_gate=True)
    holder = queue.submit("search", "a", "A search", lambda control: gate.wait(60))
    until(lambda: queue.has_device())
    job = judging.start(queue, "k", "title", PAIRS, [NamedMaker("phrases", judge.as_maker().make, loads=False)], kept)
    queue.wait(job.id, 30)
    assert queue.job(job.id).state == "finished" and queue.job(holder.id).state == "running"
    gate.set()
