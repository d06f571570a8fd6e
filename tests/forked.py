"""A command in a process of its own, to be killed: forked from a process in which torch is imported already.

Importing torch takes seconds, so killing a run six times took minutes. Knows: processes, pipes. Does not know: tests.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import NamedTuple, TextIO

from core import ModelSpec

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["core.commands.command_line", "core.commands.discover", "core.engine", "cache.store.runs", "tests.small_search"]
)


class Command(NamedTuple):
    """One that runs now: its process, and what it writes to stderr."""

    process: ForkServerProcess
    stderr: TextIO


@contextmanager
def running_command(spec: ModelSpec, arguments: list[str], cache: Path) -> Iterator[Command]:
    """`hydrascope ARGUMENTS` over `spec` and with the cache folder `cache`, verdicts by `tests.small_search.judge`."""
    mine, theirs = _context.Pipe(duplex=False)
    process = _context.Process(target=_command, args=(spec, arguments, str(cache), theirs))
    process.start()
    theirs.close()
    with open(mine.fileno(), closefd=False) as stderr:
        try:
            yield Command(process, stderr)
        finally:
            process.kill()
            process.join()
            mine.close()


def _command(spec: ModelSpec, arguments: list[str], cache: str, stderr: Connection) -> None:
    from core.commands.command_line import main
    from core.discovery.context import Work
    from core.models import registry
    from tests.small_search import judge

    os.dup2(stderr.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ["HYDRASCOPE_CACHE"] = cache
    registry.register(spec)
    Work.__init__.__defaults__ = (judge, *Work.__init__.__defaults__[1:])  # type: ignore[misc, index]
    sys.exit(main(arguments))
