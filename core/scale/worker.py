"""What a process on a cluster does: it loads once what its job needs, and carries out groups that it is given.

Knows: how a process says what it is. Does not know: what a job loads or does with a group (`search.py`, `judging.py`),
who asks, other workers. Nothing is written. A group that is carried out twice gives the same, so whoever asks may ask
again.
"""

from __future__ import annotations

import os
import platform
from typing import Any, NamedTuple, Protocol


class Hand(Protocol):
    """A job that has loaded what it needs. identity: what must be the same on every worker."""

    @property
    def identity(self) -> Any: ...

    def do(self, *group: Any) -> Any:
        """A group's results; what goes in and comes out can be pickled."""
        ...


class Job(Protocol):
    """What every worker of a pool is told; it can be pickled. loads: what it loads, for a sentence. on_gpu: whether it
    computes on a GPU where there is one."""

    @property
    def loads(self) -> str: ...

    @property
    def on_gpu(self) -> bool: ...

    def begin(self) -> Hand:
        """Load it, in the process of a worker. Raises HydrascopeError."""
        ...


class Ready(NamedTuple):
    """A worker that has loaded what its job needs. gpus: numbers of those that are its own."""

    identity: Any
    node: str
    pid: int
    gpus: tuple[int, ...]


class Worker:
    """Made by Ray as an actor, in a process of its own."""

    def __init__(self) -> None:
        self._hand: Hand | None = None

    def where(self) -> str:
        """The name of its machine."""
        return platform.node()

    def begin(self, job: Job, threads: int) -> Ready:
        """Load what the job needs. threads: of torch; more or fewer can change a number's last bits. Raises what
        `job.begin` raises."""
        import ray
        import torch

        torch.set_num_threads(threads)
        self._hand = job.begin()
        return Ready(self._hand.identity, platform.node(), os.getpid(), tuple(map(int, ray.get_gpu_ids())))

    def do(self, *group: Any) -> Any:
        """A group's results. Raises what the job's hand raises."""
        assert self._hand is not None, "begin comes first"
        return self._hand.do(*group)
