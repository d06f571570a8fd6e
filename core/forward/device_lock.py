"""Whose turn it is on the device: people first, background work when nobody waits.

Knows: threads that want one device. Does not know: what they do with it. Background work marks itself with
`in_background()`; everything else is somebody waiting at a page or a prompt.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

#: Seconds the device is kept free for the next forward pass of an answer that is being written.
COURTESY = 0.2
_BACKGROUND: ContextVar[bool] = ContextVar("hydrascope_background", default=False)


@contextmanager
def in_background() -> Iterator[None]:
    """Mark the calling thread's work inside as background work."""
    token = _BACKGROUND.set(True)
    try:
        yield
    finally:
        _BACKGROUND.reset(token)


class DeviceLock:
    """A re-entrant lock in which background threads let all others pass.

    It is held for one forward pass at a time. A background thread takes it only when no other thread waits for it and
    none has held it for `COURTESY` seconds, so an answer being written token by token is not interleaved with batches.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        # Protects `_waiting` and `_used`, and wakes background threads when either changes.
        self._turn = threading.Condition()
        self._waiting = 0
        self._used = -COURTESY

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.RLock.acquire`."""
        if _BACKGROUND.get():
            return self._after_everyone(blocking, timeout)
        with self._turn:
            self._waiting += 1
        try:
            return self._lock.acquire(blocking, timeout)
        finally:
            with self._turn:
                self._waiting -= 1
                self._used = time.monotonic()

    def release(self) -> None:
        """As `threading.RLock.release`."""
        if not _BACKGROUND.get():
            self._used = time.monotonic()
        self._lock.release()
        with self._turn:
            self._turn.notify_all()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def _after_everyone(self, blocking: bool, timeout: float) -> bool:
        end = time.monotonic() + timeout if timeout >= 0 else float("inf")
        while True:
            now = time.monotonic()
            free_at = self._used + COURTESY
            if self._waiting == 0 and now >= free_at and self._lock.acquire(blocking=False):
                return True
            if not blocking or now >= end:
                return False
            with self._turn:
                self._turn.wait(min(max(free_at - now, 0.005), 0.05, max(end - now, 0.0)))


#: This process's one device, for every model in it: the one the pages look at, and a judge that reads its answers.
DEVICE_LOCK: Final = DeviceLock()
