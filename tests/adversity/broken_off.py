"""A piece of work in a process of its own, which is killed at a chosen moment or meets a fault.

Knows: processes, signals, what a process tells of itself. Does not know: what is written. A moment is a share of the
time that the whole work takes, or a number of the work's own steps on the disk (a file opened for writing, a rename, a
removal): so kills fall between two steps that only microseconds lie between.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.adversity.writers import WRITERS, Place, enter
from tests.forked import forked

_DISK = frozenset(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "shutil.rmtree"))
_WRITING = os.O_WRONLY | os.O_RDWR


class Moment(NamedTuple):
    """When to kill: after so many seconds, or at a step on the disk; never where both are None."""

    seconds: float | None = None
    step: int | None = None


NEVER = Moment()


class Ended(NamedTuple):
    """exit: 0, the signal as a negative number, or 1 for an error. error: its type and message. kept: all that the work
    said is on disk. steps, seconds: what it took, where it came to an end. at: when that was, by `time.monotonic`."""

    exit: int
    error: tuple[str, str] | None
    kept: tuple[str, ...]
    steps: int
    seconds: float
    at: float


Fault = Callable[[Place], None]


def nothing(where: Place) -> None:
    """No fault."""


def carry_out(name: str, where: Place, moment: Moment = NEVER, fault: Fault = nothing) -> Ended:
    """Do the work of that name; kill it at the moment. fault: called in the process before the work begins."""
    mine, theirs = get_context("forkserver").Pipe(duplex=False)
    process = forked(_work, name, where, moment, fault, theirs)
    theirs.close()
    kept: list[str] = []
    error, steps, seconds, at = None, 0, 0.0, 0.0
    try:
        while True:
            kind, value = mine.recv()
            if kind == "kept":
                kept.append(value)
            elif kind == "error":
                error = value
            else:
                steps, seconds, at = value
    except EOFError:
        process.join()
    finally:
        process.kill()
        process.join()
        mine.close()
    return Ended(process.exitcode or 0, error, tuple(kept), steps, seconds, at)


def _work(name: str, where: Place, moment: Moment, fault: Fault, says: Connection) -> None:
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    sys.stdout = sys.stderr = open(1, "w", closefd=False)  # noqa: SIM115
    enter(where)
    fault(where)
    begin, steps = time.monotonic(), 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        opens = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING
        if (opens or event in _DISK) and str(where.cache) in str(arguments[0]):
            steps += 1
            if steps == moment.step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    if moment.seconds is not None:
        timer = threading.Timer(moment.seconds, os.kill, (os.getpid(), signal.SIGKILL))
        timer.daemon = True
        timer.start()
    try:
        WRITERS[name].write(where, lambda what: says.send(("kept", what)))
    except BaseException as error:
        says.send(("error", (type(error).__name__, str(error))))
        os._exit(1)
    end = time.monotonic()
    says.send(("end", (steps, end - begin, end)))
    says.close()
    os._exit(0)
