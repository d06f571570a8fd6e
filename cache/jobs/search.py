"""The one background worker that carries out runs of the search while people use the pages.

Knows: threads, runs in the store, how to ask a run to pause or stop. Does not know: pages, or what a stage computes.
Runs wait for one another. A run goes on when the visitor leaves the page, and what it found is in the store before the
next group begins; when the process ends, it ends where it is, and can be resumed.
"""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from cache.store.runs import Runs
from core import Engine
from core.discovery.runner import RunProgress, StoppedError, run_stages
from core.errors import HydrascopeError
from core.forward.device_lock import in_background

_log = logging.getLogger("hydrascope.worker")


@dataclass
class _Task:
    """One run under way or waiting. `go`: cleared while paused. `stop`: set once it is to end."""

    run: str
    engine: Engine
    runs: Runs
    go: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: RunProgress | None = None

    def control(self) -> None:
        """Between two groups: wait while paused, end when asked to."""
        while not self.stop.is_set() and not self.go.wait(timeout=0.5):
            pass
        if self.stop.is_set():
            raise StoppedError("The run was stopped; what it found is kept, and it can be resumed.")


class Worker:
    """Made once a process. Every method returns at once."""

    def __init__(self) -> None:
        # Protects `_tasks` and whether `_thread` lives; the worker takes its next task under it.
        self._lock = threading.Lock()
        self._tasks: list[_Task] = []
        self._thread: threading.Thread | None = None

    def start(self, run: str, engine: Engine, runs: Runs) -> None:
        """Begin a run, or go on with one; behind whatever is under way. A run already here is not begun twice."""
        with self._lock:
            if self._find(run):
                return
            task = _Task(run, engine, runs)
            task.go.set()
            self._tasks.append(task)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="hydrascope-worker", daemon=True)
                self._thread.start()

    def pause(self, run: str) -> None:
        """Hold a run after the group it is at."""
        self._tell(run, lambda task: task.go.clear(), "paused")

    def go_on(self, run: str) -> None:
        """Let a paused run go on."""
        self._tell(run, lambda task: task.go.set(), "running")

    def stop(self, run: str) -> None:
        """End a run after the group it is at."""
        with self._lock:
            if task := self._find(run):
                task.stop.set()
                task.go.set()

    def here(self, run: str) -> bool:
        """Whether this process is at it: under way, paused or waiting for its turn."""
        with self._lock:
            return self._find(run) is not None

    def waits(self, run: str) -> bool:
        """Whether it waits for another run to end."""
        with self._lock:
            return any(task.run == run for task in self._tasks[1:])

    def paused(self, run: str) -> bool:
        """Whether it is held."""
        with self._lock:
            task = self._find(run)
            return task is not None and not task.go.is_set()

    def progress(self, run: str) -> RunProgress | None:
        """Where it is; None before its first stage and when it is not here."""
        with self._lock:
            task = self._find(run)
            return task.progress if task else None

    def _find(self, run: str) -> _Task | None:
        return next((task for task in self._tasks if task.run == run), None)

    def _tell(self, run: str, change: Callable[[_Task], None], state: str) -> None:
        with self._lock:
            task = self._find(run)
            if task is None or task.stop.is_set():
                return
            change(task)
        task.runs.say(run, state)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._tasks:
                    self._thread = None
                    return
                task = self._tasks[0]
            # A context of its own: what one run sets never leaks into the next.
            contextvars.copy_context().run(_carry_out, task)
            with self._lock:
                self._tasks.remove(task)


def _carry_out(task: _Task) -> None:
    def told(where: RunProgress) -> None:
        task.progress = where

    try:
        with in_background():
            task.control()
            task.runs.say(task.run, "running")
            run_stages(task.runs.work(task.run, task.engine), task.control, told)
        task.runs.say(task.run, "finished")
    except StoppedError:
        task.runs.say(task.run, "stopped")
    except HydrascopeError as error:
        task.runs.say(task.run, "failed", str(error))
    except Exception as error:
        _log.exception("Run %s failed", task.run)
        task.runs.say(task.run, "failed", f"{type(error).__name__}: {error}"[:500])


_shared = Worker()


def shared_worker() -> Worker:
    """This process's one worker."""
    return _shared
