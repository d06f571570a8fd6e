"""The groups of a phase on the workers of a Ray cluster, their rows in order.

Knows: which groups are out, which must be done again, which rows may be written next. Does not know: actors
(`pool.py`), or where rows are written: only the driver does that. A group is keyed by its place, so that one which two
workers happened to do is written once. Groups are given out in order and a window ahead of the first that is missing,
so that what a killed driver loses is about what its workers were at.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from core.discovery.context import Work
from core.discovery.groups import Checkpoint, Group
from core.discovery.ledger import Row
from core.errors import ClusterError
from core.scale.cluster import Size, connected
from core.scale.identity import identity_of
from core.scale.rows import from_table, to_table
from core.scale.worker import Asked, Ready

if TYPE_CHECKING:
    from core.scale.pool import Found, Lost, Pool

#: Times that one group may end its worker before the run stops.
TRIES = 3
#: Groups that may be out or done ahead of the first that is missing, for each worker.
_AHEAD = 4
#: Seconds between two looks at whether somebody asked to pause or stop.
_POLL = 0.5


class RayCrew:
    """A crew as `core.discovery.runner.run_steps` takes one."""

    def __init__(self, pool: Pool, workers: int) -> None:
        self.pool = pool
        self._window = _AHEAD * workers
        self._sent: dict[str, Any] = {}

    def first(self, checkpoint: Checkpoint = lambda: None) -> Ready:
        """The first worker that has loaded the model; waits for it. Raises ClusterError."""
        while not (ready := self.pool.ready()):
            checkpoint()
            self.pool.hear(_POLL)
        return ready[0]

    def __call__(self, work: Work, groups: Sequence[Group], checkpoint: Checkpoint) -> Generator[list[Row], None, None]:
        """The rows of every group, in order. Raises ClusterError where a group cannot be done, and what `checkpoint`
        raises. While `checkpoint` waits, workers end what they are at and get nothing new."""
        earlier = self._earlier(work, groups)
        waiting, done, tries = deque(range(len(groups))), dict[int, list[Row]](), Counter[int]()
        for wanted in range(len(groups)):
            while wanted not in done:
                checkpoint()
                self._give(groups, waiting, wanted + self._window, earlier)
                for event in self.pool.hear(_POLL):
                    _take(event, waiting, done, tries, groups)
            self._give(groups, waiting, wanted + self._window, earlier)  # before the driver is busy with the store
            yield done.pop(wanted)

    def _give(self, groups: Sequence[Group], waiting: deque[int], end: int, earlier: dict[str, Any]) -> None:
        """Hand out what is next to whoever is free, up to the window's end."""
        while waiting and waiting[0] < end and (free := next(iter(self.pool.free()), None)):
            key = waiting.popleft()
            group = groups[key]
            mine = {name: earlier[name] for name in group.step.needs if name in earlier}
            self.pool.give(free, key, group.step.name, list(group.items), mine)

    def _earlier(self, work: Work, groups: Sequence[Group]) -> dict[str, Any]:
        """Step → reference to its rows, of every step that these read. Each step is sent once a run."""
        import ray

        for name in {name for group in groups for name in group.step.needs}:
            if name not in self._sent and (rows := work.ledger.read(name)):
                self._sent[name] = ray.put(to_table(rows.values()))
        return self._sent


def _take(
    event: Found | Lost, waiting: deque[int], done: dict[int, list[Row]], tries: Counter[int], groups: Sequence[Group]
) -> None:
    """Keep a group's rows, or put the group back to where it was in the row. Raises ClusterError."""
    from core.scale.pool import Found

    if isinstance(event, Found):
        done[event.key] = from_table(event.table)
        return
    tries[event.key] += event.at_fault
    if tries[event.key] >= TRIES:
        group = groups[event.key]
        raise ClusterError(
            f"Group {group.number} of “{group.step.title}” ended its worker {TRIES} times, the last on node "
            f"{event.node} ({event.reason}). Give each worker more memory, or start again with a smaller "
            "tokens_per_forward; the rows so far are kept."
        )
    waiting.append(event.key)
    ordered = sorted(waiting)
    waiting.clear()
    waiting.extend(ordered)


@contextmanager
def ray_crew(work: Work, address: str, size: Size) -> Iterator[RayCrew]:
    """Workers for one run, ended with it. Raises what `connected` raises."""
    with connected(address, size):
        from core.scale.pool import Pool

        engine = work.engine
        asked = Asked(
            model=engine.spec.name,
            thinking=engine.runtime.template.thinking,
            inputs=work.inputs.to_json(),
            settings=work.settings.to_json(),
            judge=work.judge.name,
            direction=engine.direction(),
            threads=size.threads,
        )
        pool = Pool(asked, size, identity_of(work))
        try:
            yield RayCrew(pool, size.workers)
        finally:
            pool.close()
