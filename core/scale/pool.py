"""Workers on a cluster: hired, given groups, heard, and replaced when they end.

Knows: Ray's actors and their ends. Does not know: order, what a group is, or what workers load. Ray
restarts and repeats nothing by itself here: what is to be done again is decided in one place (`crew.py`), so nothing is
done unseen.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError

from core.errors import ClusterError, HydrascopeError, InputError
from core.scale.cluster import Size
from core.scale.events import Found, Lost, Refused
from core.scale.worker import Job, Ready, Worker

#: Groups that a worker has at once: the next is there already when it has done one.
_AT_ONCE = 2
#: Seconds until a cluster none of whose nodes is large enough is said to have no room. It may still be growing.
PLACING = 60.0
#: Workers that end before they are ready, one after another, before that is said.
_STARTS = 3
_log = logging.getLogger("hydrascope.scale")


@dataclass
class Member:
    """A worker and what it was given. placed: the reference to its machine's name."""

    handle: Any
    placed: Any
    begun: Any
    node: str = ""
    ready: Ready | None = None
    given: deque[tuple[int, Any]] = field(default_factory=deque)

    def references(self) -> list[Any]:
        return [*(() if self.node else (self.placed,)), *(() if self.ready else (self.begun,)), *self.own()]

    def own(self) -> list[Any]:
        return [reference for _, reference in self.given]


class Pool:
    """difference(first, other): in what a worker's identity is not what it must be, given the first worker's, the end
    of a sentence; empty where there is nothing."""

    def __init__(self, job: Job, size: Size, difference: Callable[[Any, Any], str]) -> None:
        self.size = size
        self._job, self._difference = job, difference
        self._gpus = 1 if job.on_gpu and ray.cluster_resources().get("GPU") else 0
        self._since, self._failed_starts = time.monotonic(), 0
        self._first: Ready | None = None
        self.members = [self._hire() for _ in range(size.workers)]

    def ready(self) -> list[Ready]:
        """Every worker that has loaded what it needs."""
        return [one.ready for one in self.members if one.ready]

    def free(self) -> Iterable[Member]:
        """Workers that can be given another group, those with the fewest first."""
        able = [one for one in self.members if one.ready and len(one.given) < _AT_ONCE]
        return sorted(able, key=lambda one: len(one.given))

    def give(self, member: Member, key: int, group: tuple[Any, ...]) -> None:
        """Hand a group out."""
        member.given.append((key, member.handle.do.remote(*group)))

    def hear(self, seconds: float) -> list[Found | Lost | Refused]:
        """What has happened, after so many seconds at most. Raises ClusterError where no worker can do its part."""
        references = [one for member in self.members for one in member.references()]
        done, _ = ray.wait(references, num_returns=1, timeout=seconds)
        if done:
            done, _ = ray.wait(references, num_returns=len(references), timeout=0)
        arrived, told = set(done), []
        for member in list(self.members):
            told += self._heard(member, arrived)
        if not any(one.node for one in self.members) and time.monotonic() - self._since > PLACING:
            self._check_room()
        return told

    def close(self) -> None:
        """End every worker."""
        for member in self.members:
            ray.kill(member.handle)
        self.members = []

    def _hire(self) -> Member:
        actor = ray.remote(Worker).options(
            num_cpus=self.size.threads,
            num_gpus=self._gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        handle = actor.remote()
        return Member(handle, handle.where.remote(), handle.begin.remote(self._job, self.size.threads))

    def _heard(self, member: Member, arrived: set[Any]) -> list[Found | Lost | Refused]:
        """What one worker has to say, in the order in which it was asked."""
        told: list[Found | Lost | Refused] = []
        try:
            if not member.node and member.placed in arrived:
                member.node = ray.get(member.placed)
            if member.ready is None and member.begun in arrived:
                self._admit(member, ray.get(member.begun))
            while member.given and member.given[0][1] in arrived:
                key, reference = member.given[0]
                try:
                    told.append(Found(key, ray.get(reference)))
                except OutOfMemoryError as error:
                    if not isinstance(error, RayTaskError):
                        raise  # Ray ended the worker
                    told.append(Lost(key, True, member.node, _first_line(error)))
                except RayTaskError as error:
                    if not isinstance(error.cause, InputError):
                        raise
                    told.append(Refused(key, error.cause))
                member.given.popleft()
        except RayTaskError as error:
            raise self._cannot(member, error) from error
        except RayError as error:
            told += self._replace(member, _first_line(error))
        return told

    def _admit(self, member: Member, ready: Ready) -> None:
        """Let a worker take part. Raises ClusterError where it is another than the others."""
        self._first = self._first or ready
        if difference := self._difference(self._first.identity, ready.identity):
            raise ClusterError(
                f"The worker on node {ready.node} has {difference}. Install the same program and files on every node."
            )
        member.ready, self._failed_starts = ready, 0

    def _cannot(self, member: Member, error: RayTaskError) -> ClusterError:
        """The sentence for an error that was raised in a worker, which another try would only raise again."""
        reason = str(error.cause) if isinstance(error.cause, HydrascopeError) else _first_line(error)
        what = "carry on" if member.ready else f"load “{self._job.loads}”"
        return ClusterError(f"The worker on node {member.node or 'unknown'} cannot {what}: {reason}")

    def _replace(self, member: Member, reason: str) -> list[Lost]:
        """Another worker in the place of one that ended; its groups are lost. Raises ClusterError where it is one of
        several in a row that ended before they were ready."""
        node = member.node or "unknown"
        _log.warning("The worker on node %s ended (%s); another takes its place", node, reason)
        if member.ready is None:
            self._failed_starts += 1
            if self._failed_starts >= _STARTS:
                raise ClusterError(
                    f"{_STARTS} workers in a row ended before they were ready, the last on node {node} ({reason}). "
                    "Look at the memory there, and whether Hydrascope is installed on every node."
                )
        ray.kill(member.handle)
        self.members[self.members.index(member)] = self._hire()
        return [Lost(key, place == 0, node, reason) for place, (key, _) in enumerate(member.given)]

    def _check_room(self) -> None:
        """Raises ClusterError where no node could ever hold a worker; one that is busy now is waited for."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus, gpus = (max((node.get(name, 0) for node in nodes), default=0) for name in ("CPU", "GPU"))
        if cpus < self.size.threads or gpus < self._gpus:
            raise ClusterError(
                f"The cluster has no room for a worker. Each needs {self.size.threads} CPU and {self._gpus} GPU on "
                f"one node, and no node has more than {cpus:g} CPU and {gpus:g} GPU. Give fewer --threads, or add "
                "a node."
            )


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (
        (lines[-1] if isinstance(error, RayTaskError) else lines[0])[:200].rstrip(".") if lines else repr(error)[:200]
    )
