"""The workers of `hydrascope discover --ray`: how many, where, and a crew of them.

Knows: options, sentences. Does not know: what a worker does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from core.commands.terminal import note
from core.errors import InputError

if TYPE_CHECKING:
    from core.discovery.context import Work
    from core.discovery.groups import Crew

_LOCAL = "local"


class Hands(NamedTuple):
    """crew: who carries out the groups. computed_on: number format and device of workers, None for this process."""

    crew: Crew
    computed_on: tuple[str, str] | None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--ray, --workers, --threads."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        nargs="?",
        const=_LOCAL,
        help="carry the run out on workers of a Ray cluster, HOST:PORT or auto; without an address, on this machine "
        "alone; see docs/scale.md",
    )
    parser.add_argument("--workers", metavar="N", type=int, help="with --ray: how many workers (2)")
    parser.add_argument(
        "--threads",
        metavar="N",
        type=int,
        help="with --ray: threads of each worker (this machine's processors shared out; 1 on a cluster)",
    )


@contextmanager
def hands_for(options: argparse.Namespace, work: Callable[[], Work]) -> Iterator[Hands]:
    """This process, or the workers that were asked for, ended afterwards. work: makes the run as they are told of it.

    Raises InputError, ClusterError.
    """
    from core.discovery.groups import here

    if options.ray is None:
        if options.workers is not None or options.threads is not None:
            raise InputError("--workers and --threads go with --ray. Add --ray, or leave them out.")
        yield Hands(here, None)
        return
    from core.scale.cluster import size_of
    from core.scale.search import ray_crew

    size = size_of(2 if options.workers is None else options.workers, options.threads, options.ray)
    with ray_crew(work(), options.ray, size) as crew:
        note(f"Starting {size.workers} workers, {size.threads} threads each")
        found = crew.first().identity
        yield Hands(crew, (found.number_format, found.device))
