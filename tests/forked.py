"""Processes forked from one in which torch, Streamlit and the like are imported already; that alone takes seconds.

Knows: processes, pipes, the command line. Does not know: what is tested.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from core import ModelSpec

_context = multiprocessing.get_context("forkserver")
#: What a run and a page import, and takes seconds. Nothing in it starts a thread or reads the environment for good.
_context.set_forkserver_preload(
    [
        "core.engine",
        "core.commands.discover",
        "cache.store.runs",
        "altair",
        "pandas",
        "streamlit.web.cli",
        "sae_lens",
        "transformers.models.llama.modeling_llama",
        "tests.forked",
    ]
)


def forked(target: Callable[..., None], *arguments: Any) -> ForkServerProcess:
    """Start target(*arguments) in a process of its own."""
    process = _context.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


class Command(NamedTuple):
    """One that runs now: its process, and what it writes to stderr."""

    process: ForkServerProcess
    stderr: TextIO


@contextmanager
def running_command(
    spec: ModelSpec, arguments: list[str], cache: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Command]:
    """`hydrascope ARGUMENTS` over `spec` and with the cache folder `cache`, verdicts by `tests.small_search.judge`.

    environment: variables that the process has besides.
    """
    mine, theirs = _context.Pipe(duplex=False)
    process = forked(_command, spec, arguments, str(cache), theirs, dict(environment or {}))
    theirs.close()
    with open(mine.fileno(), closefd=False) as stderr:
        try:
            yield Command(process, stderr)
        finally:
            process.kill()
            process.join()
            mine.close()


def _command(
    spec: ModelSpec, arguments: list[str], cache: str, stderr: Connection, environment: Mapping[str, str]
) -> None:
    os.environ.update(environment)
    from core.commands.command_line import main
    from core.models import registry
    from tests.small_search import use_small_judge

    os.dup2(stderr.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.stderr = open(2, "w", buffering=1, closefd=False)  # noqa: SIM115
    os.environ["HYDRASCOPE_CACHE"] = cache
    registry.register(spec)
    use_small_judge()
    sys.exit(main(arguments))
