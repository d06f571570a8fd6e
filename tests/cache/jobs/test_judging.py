"""Judging in the background: one job after another, stopped between two writes, and no failure takes anything along."""

import threading
import time

import pytest

from cache.jobs import judging
from cache.jobs.judging import Asked, Judging
from cache.store.database import Store
from cache.store.judgements import Judgements, Pair
from core import DownloadError
from core.forward.device_lock import _BACKGROUND
from core.judges import SUBSTRINGS
from core.models.footprint import Footprint

NOTHING = Footprint()
PAIRS = tuple(Pair(f"prompt {n}", "I cannot." if n % 2 else "Take flour and wait.") for n in range(11))


class Gated:
    """A judge of phrases that waits for leave before every chunk, and remembers what happened."""

    def __init__(self, name="gated", footprint=NOTHING, open_gate=False, error=None):
        self.name, self.revision, self._footprint, self.error = name, "1", footprint, error
        self.gate = threading.Semaphore(10**6 if open_gate else 0)
        self.asked, self.closed, self.background = [], 0, set()

    def footprint(self):
        return self._footprint

    def judge(self, prompts, answers):
        self.background.add(_BACKGROUND.get())
        self.asked.append(len(prompts))
        assert self.gate.acquire(timeout=60)
        if self.error is not None:
            raise self.error
        return SUBSTRINGS.judge(prompts, answers)

    def close(self):
        self.closed += 1

    def as_asked(self):
        return Asked(self.name, lambda progress, cancelled: self)


@pytest.fixture
def kept(tmp_path):
    return Judgements(Store(tmp_path / "s.duckdb"))


def until(what, seconds=30.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_judges_in_turn_each_let_go_and_all_of_it_stored(kept):
    one, two, work = Gated("one", open_gate=True), Gated("two", open_gate=True), Judging()
    work.start("k", "title", PAIRS, [one.as_asked(), two.as_asked()], kept)
    work.wait("k", 30)
    standing = work.standing("k")
    assert (standing.state, standing.judges, standing.answers) == ("finished", ("one", "two"), 11) and work.over == 1
    assert (one.closed, two.closed) == (1, 1) and one.background == {True}, "people go first"
    assert [s.judge for s in kept.stored(PAIRS)] == ["one", "two"] and not work.under_way()
    assert kept.stored(PAIRS)[0].judgements == SUBSTRINGS.judge(*zip(*PAIRS, strict=True))


def test_a_stopped_job_keeps_what_was_judged_and_the_next_goes_on(kept):
    judge, work = Gated(), Judging()
    work.start("k", "title", PAIRS, [judge.as_asked()], kept)
    until(lambda: judge.asked)
    assert work.standing("k").message == "0 of 11 judged" and work.standing("k").under_way
    work.start("k", "title", PAIRS, [judge.as_asked()], kept)  # twice is once
    work.stop("k")
    judge.gate.release()
    work.wait("k", 30)
    assert work.standing("k").state == "stopped" and "goes on from there" in work.standing("k").note
    assert len(kept.stored(PAIRS)[0].known) == 4 == sum(judge.asked) and judge.closed == 1
    judge.gate.release(10)
    work.start("k", "title", PAIRS, [judge.as_asked()], kept)
    work.wait("k", 30)
    assert work.standing("k").state == "finished" and sum(judge.asked) == 11


def test_one_job_waits_for_another_and_can_be_stopped_while_it_waits(kept):
    first, second, work = Gated("first"), Gated("second", open_gate=True), Judging()
    work.start("a", "A", PAIRS, [first.as_asked()], kept)
    until(lambda: first.asked)
    work.start("b", "B", PAIRS, [second.as_asked()], kept)
    work.start("c", "C", PAIRS, [second.as_asked()], kept)
    assert [one.title for one in work.under_way()] == ["A", "B", "C"]
    assert work.standing("b").state == "waiting" and not second.asked
    work.stop("c")
    work.wait("c", 30)
    assert work.standing("c").state == "stopped" and not second.asked
    first.gate.release(10)
    work.wait("b", 30)
    assert work.standing("b").state == "finished" and sum(second.asked) == 11


@pytest.mark.parametrize(
    ("error", "note"),
    [(DownloadError("The network is gone."), "gated: The network is gone."), (KeyError("x"), "KeyErr")],
)
def test_a_failure_is_told_and_what_came_before_is_kept(kept, error, note):
    work, good, bad = Judging(), Gated("good", open_gate=True), Gated(error=error, open_gate=True)
    work.start("k", "title", PAIRS, [good.as_asked(), bad.as_asked()], kept)
    work.wait("k", 30)
    assert work.standing("k").state == "failed" and work.standing("k").note.startswith(note)
    assert bad.closed == 1 and [one.judge for one in kept.stored(PAIRS)] == ["good"]
    other = Gated("other", open_gate=True)
    work.start("k", "title", PAIRS, [other.as_asked()], kept)
    work.wait("k", 30)
    assert work.standing("k").state == "finished", "the place is free again"


def test_what_does_not_fit_is_never_asked_unless_all_is_known_already(kept):
    judge, work = Gated(footprint=Footprint(memory=10**9, free=10**6), open_gate=True), Judging()
    work.start("k", "title", PAIRS, [judge.as_asked()], kept)
    work.wait("k", 30)
    assert work.standing("k").state == "failed" and "does not fit now" in work.standing("k").note and not judge.asked
    kept.judge(judge, *zip(*PAIRS, strict=True))
    before = len(judge.asked)
    work.start("k", "title", PAIRS, [judge.as_asked()], kept)
    work.wait("k", 30)
    assert work.standing("k").state == "finished" and len(judge.asked) == before


def test_jobs_that_are_over_are_forgotten_one_day(kept):
    work = Judging()
    for number in range(judging._REMEMBERED + 5):
        work.start(str(number), "", PAIRS[:1], [Gated(open_gate=True).as_asked()], kept)
        work.wait(str(number), 30)
    assert work.standing("0") is None and work.standing(str(judging._REMEMBERED + 4)) is not None
    assert len(work._jobs) <= judging._REMEMBERED
