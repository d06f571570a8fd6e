"""One queue for everything that runs long: the search, judging, evaluations, model loading, downloads.

Knows: threads, whose turn the device is, and how to pause and stop a job. Does not know: what any job does, stores, or
pages. A job is a function that is given a `Control`; it runs in a thread of its own, marked as background work, and
goes on when whoever asked for it leaves the page. One job at a time has the device, in the order they were submitted;
a paused one lets the next have it. A job that needs no device (a download) runs beside them. Every page of every
session reads the same jobs. Nothing here outlives the process: what a job must not lose, it keeps in the store.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Literal

from core.errors import Cancelled, HydrascopeError
from core.forward.device_lock import in_background

Kind = Literal[
    "search", "judging", "defence", "model", "check", "download", "stability", "training", "estimate", "features",
    "study",
]  # fmt: skip
State = Literal["waiting", "running", "paused", "stopping", "finished", "stopped", "failed"]
#: Jobs that have ended and are still remembered.
REMEMBERED = 16
_ENDED: tuple[State, ...] = ("finished", "stopped", "failed")
_log = logging.getLogger("hydrascope.jobs")


@dataclass(frozen=True)
class Job:
    """A job as it stands. kind and key: what it is about, for example a search and its run; two such jobs are never
    under way at once. title: what people call it.

    message and share: what it does now, and how much of it is done, 0 to 1; of a stopped job, the sentence that says
    what is kept. seconds_left: of the part it is at, None where that is not known. error: of a failed job, why, in a
    sentence. result: of a finished job, what its function returned.
    """

    id: str
    kind: Kind
    key: str
    title: str
    state: State = "waiting"
    message: str = ""
    share: float = 0.0
    seconds_left: float | None = None
    error: str = ""
    result: object = None

    @property
    def under_way(self) -> bool:
        """Whether it has not ended: waiting, running, paused or stopping."""
        return self.state not in _ENDED


@dataclass
class _Entry:
    """A job and what its thread shares with the queue. stop: set once it is to end; over: set when it has."""

    job: Job
    wants_device: bool
    paused: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)


class Control:
    """What a job's function is given: to report where it is, and to hear what people ask of it."""

    def __init__(self, queue: Queue, entry: _Entry) -> None:
        self._queue, self._entry = queue, entry

    def report(self, message: str, share: float, seconds_left: float | None = None) -> None:
        """Say what is being done now, and which share of the job is done."""
        self._queue._update(self._entry, message=message, share=min(max(share, 0.0), 1.0), seconds_left=seconds_left)

    def stop_requested(self) -> bool:
        """Whether somebody has asked the job to stop."""
        return self._entry.stop.is_set()

    def checkpoint(self) -> None:
        """Call between two steps: waits while the job is paused, the device free for others meanwhile.

        Raises Cancelled once somebody has asked the job to stop.
        """
        self._queue._wait_while_paused(self._entry)
        if self.stop_requested():
            raise Cancelled("Stopped. The results so far are kept, and the job can continue from there.")

    @contextmanager
    def device(self) -> Iterator[None]:
        """Have the device for a part of a job that was submitted without it. Raises Cancelled."""
        self._queue._take_device(self._entry)
        try:
            yield
        finally:
            self._queue._release_device(self._entry)


class Queue:
    """Made once a process (`shared_queue`). Every method but `wait` returns at once."""

    def __init__(self) -> None:
        # Protects `_entries`, every entry's job, `_holder` and `_ended`, and wakes the threads that wait for a change.
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}  # by id, in the order they were submitted
        self._holder: _Entry | None = None  # who has the device
        self._submitted = 0
        self._ended = 0

    @property
    def ended(self) -> int:
        """How many jobs have ended; what is free or already here may be another thing after each of them."""
        return self._ended

    def submit(
        self, kind: Kind, key: str, title: str, work: Callable[[Control], object], uses_device: bool = True
    ) -> Job:
        """Add a job behind all others. Where one of this kind and key is under way, that one is given instead.

        work: the job's function; what it returns is the job's `result`. uses_device: whether it waits for the device
        before it starts; without it, the job starts at once and may ask for the device later (`Control.device`).
        """
        with self._changed:
            before = self._find(kind, key)
            if before is not None and before.job.under_way:
                return before.job
            self._submitted += 1
            job = Job(f"{kind}-{self._submitted}", kind, key, title)
            entry = _Entry(job, wants_device=uses_device)
            self._entries[job.id] = entry
            self._forget()
        threading.Thread(
            target=self._run, args=(entry, work, uses_device), name=f"hydrascope-{job.id}", daemon=True
        ).start()
        return job

    def stop(self, job_id: str) -> None:
        """Ask a job to end after the step it is at; one that still waits ends at once."""
        with self._changed:
            entry = self._entries.get(job_id)
            if entry is not None and entry.job.under_way:
                entry.stop.set()
                entry.paused = False
                entry.job = replace(entry.job, state="stopping")
                self._changed.notify_all()

    def pause(self, job_id: str) -> bool:
        """Hold a job after the step it is at. Returns whether it is held: not one that is ending or has ended."""
        return self._set_paused(job_id, True)

    def go_on(self, job_id: str) -> bool:
        """Let a paused job go on, as soon as the device is free. Returns whether it does."""
        return self._set_paused(job_id, False)

    def job(self, job_id: str) -> Job | None:
        """A job as it stands now; None where none of this id is remembered."""
        with self._changed:
            entry = self._entries.get(job_id)
            return entry.job if entry else None

    def latest(self, kind: Kind, key: str) -> Job | None:
        """The last job of this kind and key; None where there was none in this process."""
        with self._changed:
            entry = self._find(kind, key)
            return entry.job if entry else None

    def under_way(self, *kinds: Kind) -> tuple[Job, ...]:
        """Every job that has not ended, of these kinds (of any, where none is named), in the order submitted."""
        with self._changed:
            return tuple(
                entry.job
                for entry in self._entries.values()
                if entry.job.under_way and (not kinds or entry.job.kind in kinds)
            )

    def has_device(self) -> Job | None:
        """The job that has the device now, which is the one that waiting jobs wait for."""
        with self._changed:
            return self._holder.job if self._holder else None

    def wait(self, job_id: str, seconds: float) -> None:
        """Return when a job has ended, or after so many seconds."""
        with self._changed:
            entry = self._entries.get(job_id)
        if entry is not None:
            entry.over.wait(seconds)

    def _find(self, kind: Kind, key: str) -> _Entry | None:
        every = [entry for entry in self._entries.values() if (entry.job.kind, entry.job.key) == (kind, key)]
        return every[-1] if every else None

    def _forget(self) -> None:
        """Drop the oldest jobs that have ended, where there are too many."""
        ended = [name for name, entry in self._entries.items() if not entry.job.under_way]
        for name in ended[: max(0, len(self._entries) - REMEMBERED)]:
            del self._entries[name]

    def _set_paused(self, job_id: str, paused: bool) -> bool:
        with self._changed:
            entry = self._entries.get(job_id)
            if entry is None or not entry.job.under_way or entry.stop.is_set():
                return False
            entry.paused = paused
            entry.job = replace(entry.job, state="paused" if paused else self._going(entry))
            self._changed.notify_all()
            return True

    def _going(self, entry: _Entry) -> State:
        return "waiting" if entry.wants_device else "running"

    def _update(self, entry: _Entry, **changes: object) -> None:
        with self._changed:
            entry.job = replace(entry.job, **changes)  # type: ignore[arg-type]

    def _take_device(self, entry: _Entry) -> None:
        """Wait for the device. Raises Cancelled."""
        with self._changed:
            entry.wants_device = True
            if not entry.paused and not entry.stop.is_set():
                entry.job = replace(entry.job, state="waiting")
            while entry.stop.is_set() or self._holder is not None or self._next() is not entry:
                if entry.stop.is_set():
                    entry.wants_device = False
                    self._changed.notify_all()
                    raise Cancelled("Stopped while waiting for the device. Earlier results are kept.")
                self._changed.wait()
            entry.wants_device = False
            self._holder = entry
            entry.job = replace(entry.job, state="running")

    def _next(self) -> _Entry | None:
        """Who has the device next."""
        waiting = (one for one in self._entries.values() if one.wants_device and not one.paused)
        return next(waiting, None)

    def _release_device(self, entry: _Entry) -> None:
        with self._changed:
            if self._holder is entry:
                self._holder = None
                self._changed.notify_all()

    def _wait_while_paused(self, entry: _Entry) -> None:
        with self._changed:
            if not entry.paused:
                return
            had_device = self._holder is entry
        if had_device:
            self._release_device(entry)
            with self._changed:
                entry.wants_device = True
        with self._changed:
            while entry.paused:
                self._changed.wait()
        if had_device and not entry.stop.is_set():
            self._take_device(entry)

    def _run(self, entry: _Entry, work: Callable[[Control], object], uses_device: bool) -> None:
        """The job's thread."""
        outcome: dict[str, object]
        try:
            if uses_device:
                self._take_device(entry)
            else:
                self._update(entry, state="running")
            with in_background():
                result = work(Control(self, entry))
            outcome = {"state": "finished", "result": result, "share": 1.0}
        except Cancelled as stopped:
            outcome = {"state": "stopped", "message": str(stopped)}
        except HydrascopeError as error:
            outcome = {"state": "failed", "error": str(error)}
        except Exception as error:
            _log.exception("%s failed", entry.job.id)
            outcome = {"state": "failed", "error": unforeseen(error)}
        with self._changed:
            if self._holder is entry:
                self._holder = None
            entry.wants_device = False
            entry.job = replace(entry.job, seconds_left=None, **outcome)  # type: ignore[arg-type]
            self._ended += 1
            self._changed.notify_all()
        entry.over.set()


def unforeseen(error: Exception) -> str:
    """An error that is none of ours, in a sentence for people."""
    return f"{type(error).__name__}: {error}"[:400].rstrip(". ") + ". The log has the details."


_shared = Queue()


def shared_queue() -> Queue:
    """This process's one queue."""
    return _shared
