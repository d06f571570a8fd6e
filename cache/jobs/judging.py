"""Judging in the background, so that it goes on when whoever asked for it leaves the page.

Knows: threads, one job after another, how to stop one, and whether a judge fits before it loads. Does not know: pages,
or how anything is judged. What is judged is in the store before the next answers are; a job that was stopped, failed,
or died with its process is asked for again, and goes on from there. On the device it lets people go first.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, Protocol

from cache.store.judgements import Judgements, Pair
from core import devices
from core.errors import Cancelled, HydrascopeError, InputError
from core.forward.device_lock import in_background
from core.forward.token_budget import TOKENS_PER_FORWARD, at_most
from core.judges import Judge
from core.progress import Progress

#: Seconds between two writes, and so between being asked to stop and stopping, where one answer takes less.
SECONDS = 5.0
#: Tokens in one pass on a processor: small, so that a click on another page never waits long.
_TOKENS_ON_CPU = 512
#: Jobs that are over and still told of.
_REMEMBERED = 16
_log = logging.getLogger("hydrascope.judging")

State = Literal["waiting", "judging", "finished", "stopped", "failed"]


class Maker(Protocol):
    """Makes a judge, loading what it must: progress(message, share), cancelled()."""

    def __call__(self, progress: Progress, cancelled: Callable[[], bool]) -> Judge: ...


class Asked(NamedTuple):
    """One judge's name, and how it is made."""

    name: str
    make: Maker


@dataclass(frozen=True)
class Standing:
    """How a job stands. key: which answers; title: what people call them; judge: the one at work, number `at` of `of`.

    message and share: what it does now, and how much of this judge's work is done, 0 to 1. note: why it ended, a
    sentence, where it was stopped or failed.
    """

    key: str
    title: str
    answers: int
    judges: tuple[str, ...]
    state: State = "waiting"
    at: int = 0
    message: str = ""
    share: float = 0.0
    note: str = ""

    @property
    def under_way(self) -> bool:
        return self.state in ("waiting", "judging")


@dataclass
class _Job:
    """stop: set once it is to end. over: set when it has."""

    standing: Standing
    asked: Sequence[Asked]
    pairs: Sequence[Pair]
    kept: Judgements
    keep_answers: bool
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def say(self, message: str, share: float) -> None:
        self.standing = replace(self.standing, message=message, share=min(max(share, 0.0), 1.0))


class Judging:
    """Made once a process. Every method but `wait` returns at once."""

    def __init__(self) -> None:
        # Protects `_jobs`: pages read while a job's thread ends.
        self._lock = threading.Lock()
        self._jobs: dict[str, _Job] = {}
        # Held by the job at work: two judges would take each other's place on the device again and again.
        self._turn = threading.Lock()
        #: How many jobs are over: what a judge takes may be another thing after each of them.
        self.over = 0

    def start(
        self,
        key: str,
        title: str,
        pairs: Sequence[Pair],
        asked: Sequence[Asked],
        kept: Judgements,
        keep_answers: bool = False,
    ) -> None:
        """Judge these answers by each judge in turn; behind whatever is under way. The same answers wait for no second
        job: while one is at them, nothing is begun."""
        standing = Standing(key, title, len(pairs), tuple(one.name for one in asked))
        job = _Job(standing, tuple(asked), tuple(pairs), kept, keep_answers)
        with self._lock:
            before = self._jobs.get(key)
            if before is not None and before.standing.under_way:
                return
            self._jobs.pop(key, None)
            self._jobs[key] = job
            over = [name for name, one in self._jobs.items() if not one.standing.under_way]
            for name in over[: max(0, len(self._jobs) - _REMEMBERED)]:
                del self._jobs[name]
        threading.Thread(target=self._work, args=(job,), name="hydrascope-judging", daemon=True).start()

    def stop(self, key: str) -> None:
        """End a job between two writes; what was judged is kept."""
        with self._lock:
            job = self._jobs.get(key)
        if job is not None:
            job.stop.set()

    def wait(self, key: str, seconds: float) -> None:
        """Until a job is over, but not longer than that."""
        with self._lock:
            job = self._jobs.get(key)
        if job is not None:
            job.over.wait(seconds)

    def standing(self, key: str) -> Standing | None:
        """How the last job on these answers stands; None where there was none in this process."""
        with self._lock:
            job = self._jobs.get(key)
            return job.standing if job else None

    def under_way(self) -> tuple[Standing, ...]:
        """Every job that is at work or waits, in the order they were asked for."""
        with self._lock:
            return tuple(job.standing for job in self._jobs.values() if job.standing.under_way)

    def _work(self, job: _Job) -> None:
        try:
            while not self._turn.acquire(timeout=0.2):
                if job.stop.is_set():
                    break
            else:
                try:
                    _carry_out(job)
                finally:
                    self._turn.release()
                return
            _end(job, "stopped", "Stopped before it began.")
        finally:
            with self._lock:
                self.over += 1
            job.over.set()


def _carry_out(job: _Job) -> None:
    on_cpu = devices.placement_for(0).device.type == "cpu"
    try:
        with in_background(), at_most(_TOKENS_ON_CPU if on_cpu else TOKENS_PER_FORWARD):
            for at, asked in enumerate(job.asked):
                job.standing = replace(job.standing, state="judging", at=at, message="Starting", share=0.0)
                _judge(job, asked)
        _end(job, "finished")
    except Cancelled as stopped:
        _end(job, "stopped", str(stopped))
    except HydrascopeError as error:
        _end(job, "failed", f"{job.asked[job.standing.at].name}: {error}")
    except Exception as error:
        _log.exception("Judging %s failed", job.standing.title)
        _end(job, "failed", f"{type(error).__name__}: {error}"[:500])


def _judge(job: _Job, asked: Asked) -> None:
    """One judge's part. Its model is let go at the end, whatever happens."""
    prompts, answers = [pair.prompt for pair in job.pairs], [pair.answer for pair in job.pairs]
    with closing(asked.make(job.say, job.stop.is_set)) as judge:
        missing = job.kept.missing(judge, prompts, answers)
        found = judge.footprint() if missing else None
        if found is not None and not found.fits:
            raise InputError(found.verdict)
        job.kept.judge(
            judge,
            prompts,
            answers,
            job.keep_answers,
            lambda done, of: job.say(f"{done:,} of {of:,} judged", done / of if of else 1.0),
            job.stop.is_set,
            SECONDS,
        )


def _end(job: _Job, state: State, note: str = "") -> None:
    job.standing = replace(job.standing, state=state, note=note)


_shared = Judging()


def shared_judging() -> Judging:
    """This process's one."""
    return _shared
