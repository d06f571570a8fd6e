"""One process or thread at a time does a piece of work; the others wait, say so, and can be stopped.

Knows: lock files. Does not know: what the work is. The operating system lets go of a lock when its process ends,
however it ends; the file itself stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import Cancelled
from core.progress import NEVER, POLL_SECONDS, QUIET, Progress


@contextmanager
def one_at_a_time(
    lock_file: Path, doing: str, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> Iterator[None]:
    """Wait for the lock, then hold it while the block runs.

    doing: what the other one does, to end “Another process is …”, as in “training these SAEs”. Raises Cancelled where
    the wait is stopped, OSError where the file cannot be made.
    """
    lock = FileLock(lock_file, thread_local=False)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"Another process is {doing}: waiting for it", 0.0)
            if cancelled():
                raise Cancelled(f"The wait for another process that is {doing} was stopped.") from None
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()
