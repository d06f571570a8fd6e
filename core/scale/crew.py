"""Groups on the workers of a Ray cluster, their results in order.

Knows: which groups are out, which must be done again, which results come next. Does not know: actors (`pool.py`), what
a group is (`search.py`, `judging.py`), or where results are written: only the driver does that. A group is keyed by its
place, so that one which two workers happened to do comes once. Groups are given out in order and a window ahead of the
first that is missing, so that what a killed driver loses is about what its workers were at.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from core.discovery.groups import Checkpoint
from core.errors import ClusterError
from core.scale.cluster import Size, connected
from core.scale.events import Found, Lost, Refused
from core.scale.worker import Job, Ready

if TYPE_CHECKING:
    from core.scale.pool import Pool

#: Times that one group may end its worker before the work stops.
TRIES = 3
#: Seconds between two looks at whether somebody asked to pause or stop.
_POLL = 0.5


class Task(NamedTuple):
    """A group. name: it in a sentence, at its beginning. given: what the hand of the pool's job is called with."""

    name: str
    given: tuple[Any, ...]


class Crew:
    """advice: what to do where a group ends its worker again and again, a sentence. ahead: groups that may be out or
    done ahead of the first that is missing, for each worker."""

    def __init__(self, pool: Pool, advice: str, ahead: int = 4) -> None:
        self.pool, self._advice = pool, advice
        self._window = ahead * pool.size.workers

    def first(self, checkpoint: Checkpoint = lambda: None) -> Ready:
        """The first worker that has loaded what it needs; waits for it. Raises ClusterError."""
        while not (ready := self.pool.ready()):
            checkpoint()
            self.pool.hear(_POLL)
        return ready[0]

    def in_order(self, tasks: Sequence[Task], checkpoint: Checkpoint) -> Generator[Any, None, None]:
        """What comes of every task, in their order. Raises ClusterError where a group cannot be done, InputError in its
        turn where what is in it cannot be used, and what `checkpoint` raises. While `checkpoint` waits, workers end
        what they are at and get nothing new."""
        waiting, done, tries = deque(range(len(tasks))), dict[int, Found | Refused](), Counter[int]()
        for wanted in range(len(tasks)):
            while wanted not in done:
                checkpoint()
                self._give(tasks, waiting, wanted + self._window)
                for event in self.pool.hear(_POLL):
                    self._take(event, waiting, done, tries, tasks)
            self._give(tasks, waiting, wanted + self._window)  # before the driver is busy with the store
            came = done.pop(wanted)
            if isinstance(came, Refused):
                raise came.error
            yield came.result

    def _give(self, tasks: Sequence[Task], waiting: deque[int], end: int) -> None:
        """Hand out what is next to whoever is free, up to the window's end."""
        while waiting and waiting[0] < end and (free := next(iter(self.pool.free()), None)):
            key = waiting.popleft()
            self.pool.give(free, key, tasks[key].given)

    def _take(
        self,
        event: Found | Lost | Refused,
        waiting: deque[int],
        done: dict[int, Found | Refused],
        tries: Counter[int],
        tasks: Sequence[Task],
    ) -> None:
        """Keep a group's results, or put the group back to where it was in the row. Raises ClusterError."""
        if not isinstance(event, Lost):
            done[event.key] = event
            return
        tries[event.key] += event.at_fault
        if tries[event.key] >= TRIES:
            raise ClusterError(
                f"{tasks[event.key].name} ended its worker {TRIES} times, the last on node {event.node} "
                f"({event.reason}). {self._advice}"
            )
        waiting.append(event.key)
        ordered = sorted(waiting)
        waiting.clear()
        waiting.extend(ordered)


@contextmanager
def pool_for(job: Job, address: str, size: Size, difference: Callable[[Any, Any], str]) -> Iterator[Pool]:
    """Workers for one job, ended with it. difference: as of `Pool`. Raises what `connected` raises."""
    with connected(address, size):
        from core.scale.pool import Pool

        pool = Pool(job, size, difference)
        try:
            yield pool
        finally:
            pool.close()
