"""The workers of --ray: how many, where, and what they are hired for.

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
    from core.engine import Engine
    from core.scale.cluster import Size
    from core.scale.judging import JudgingJob, RayJudges
    from core.training.recorders import RayRecorders

_LOCAL = "local"


class Hands(NamedTuple):
    """crew: who carries out the groups. computed_on: number format and device of workers, None for this process."""

    crew: Crew
    computed_on: tuple[str, str] | None


def add_arguments(parser: argparse.ArgumentParser, doing: str = "carry the run out") -> None:
    """--ray, --workers, --threads. doing: what workers do, the beginning of a sentence."""
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        nargs="?",
        const=_LOCAL,
        help=f"{doing} on workers of a Ray cluster, HOST:PORT or auto; without an address, on this machine alone; see "
        "docs/scale.md",
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

    check(options)
    if options.ray is None:
        yield Hands(here, None)
        return
    from core.scale.search import ray_crew

    size = _size(options)
    with ray_crew(work(), options.ray, size) as crew:
        note(_starting(size))
        found = crew.first().identity
        yield Hands(crew, (found.number_format, found.device))


@contextmanager
def judges_for(options: argparse.Namespace, job: JudgingJob, revision: str | None) -> Iterator[RayJudges]:
    """The workers that were asked for, each with this judge, ended afterwards. revision: as of `ray_judges`.

    Raises InputError, ClusterError.
    """
    from core.scale.judging import ray_judges

    size = _size(options)
    with ray_judges(job, options.ray, size, revision) as judges:
        note(_starting(size))
        yield judges


def recorders_for(options: argparse.Namespace, name: str, engine: Engine) -> RayRecorders | None:
    """The workers that were asked for, hired when the recording begins; None for this process. name, engine: as of
    `RayRecorders`. Raises InputError."""
    check(options)
    if options.ray is None:
        return None
    from core.training.recorders import RayRecorders

    return RayRecorders(name, engine, options.ray, _size(options))


def check(options: argparse.Namespace) -> None:
    """Raises InputError for numbers below 1, and for --workers and --threads without --ray."""
    if options.ray is not None:
        _size(options)
    elif options.workers is not None or options.threads is not None:
        raise InputError("--workers and --threads go with --ray. Add --ray, or leave them out.")


def _size(options: argparse.Namespace) -> Size:
    """Raises InputError."""
    from core.scale.cluster import size_of

    return size_of(2 if options.workers is None else options.workers, options.threads, options.ray)


def _starting(size: Size) -> str:
    return f"Starting {size.workers} workers, {size.threads} threads each"
