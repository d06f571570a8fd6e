"""A run of the search on workers of a Ray cluster: they hold model, SAEs and judge, and carry out groups.

Knows: what a worker is told of a run, a step's rows as Arrow tables. Does not know: which worker has which group, or
what happens when one ends (`crew.py`, `pool.py`). Only the driver writes.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from core.discovery.context import Inputs, Work
from core.discovery.groups import Checkpoint, Group, carry_out
from core.discovery.ledger import MemoryLedger, Row
from core.discovery.runner import steps_of
from core.discovery.settings import Settings
from core.edits.direction import Direction
from core.scale.cluster import Size
from core.scale.crew import Crew, Task, pool_for
from core.scale.identity import Identity, identity_of
from core.scale.rows import from_table, to_table

if TYPE_CHECKING:
    from core.scale.pool import Pool

_ADVICE = "Give each worker more memory, or start again with a smaller tokens_per_forward; the rows so far are kept."


class SearchJob(NamedTuple):
    """A run, as a worker is told of it.

    model: its name in the registry of the worker's machine. inputs and settings: as JSON. thinking: None for a model
    that cannot think. direction: the driver's own, which may have been computed there.
    """

    model: str
    thinking: bool | None
    inputs: str
    settings: str
    judge: str
    direction: Direction

    @property
    def on_gpu(self) -> bool:
        return True

    @property
    def loads(self) -> str:
        return self.model

    def begin(self) -> SearchHand:
        """Raises what `load` and `find_judge` raise."""
        from core.engine import load
        from core.judges.catalogue import find_judge

        engine = load(self.model)
        if self.thinking is not None:
            engine = engine.with_thinking(self.thinking)
        engine.use_direction(self.direction)
        judge = find_judge(self.judge, engine=engine)
        inputs, settings = Inputs.from_json(self.inputs), Settings.from_json(self.settings)
        return SearchHand(Work(engine, inputs, settings, MemoryLedger(), judge))


class SearchHand:
    """A worker's part in a run: rows it was sent are kept, so each is fetched once."""

    def __init__(self, work: Work) -> None:
        self._work, self.identity = work, identity_of(work)
        self._known: set[str] = set()

    def do(self, step: str, items: Sequence[str], earlier: Mapping[str, Any]) -> pa.Table:
        """A group's rows. earlier: step → reference to its rows, of every step that this one reads. Raises AssetError
        where files are gone or damaged."""
        import ray

        for name, reference in earlier.items():
            if name not in self._known:
                self._work.ledger.append(from_table(ray.get(reference)))
                self._known.add(name)
        (found,) = (one for one in steps_of(self._work.settings) if one.name == step)
        return to_table(carry_out(self._work, found, items))


class RayCrew(Crew):
    """A crew as `core.discovery.runner.run_steps` takes one."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool, _ADVICE)
        self._sent: dict[str, Any] = {}

    def __call__(self, work: Work, groups: Sequence[Group], checkpoint: Checkpoint) -> Generator[list[Row], None, None]:
        """The rows of every group, in order. Raises what `Crew.in_order` raises."""
        earlier = self._earlier(work, groups)
        tasks = [
            Task(
                f"Group {group.number} of “{group.step.title}”",
                (group.step.name, list(group.items), {n: earlier[n] for n in group.step.needs if n in earlier}),
            )
            for group in groups
        ]
        return (from_table(table) for table in self.in_order(tasks, checkpoint))

    def _earlier(self, work: Work, groups: Sequence[Group]) -> dict[str, Any]:
        """Step → reference to its rows, of every step that these read. Each step is sent once a run."""
        import ray

        for name in {name for group in groups for name in group.step.needs}:
            if name not in self._sent and (rows := work.ledger.read(name)):
                self._sent[name] = ray.put(to_table(rows.values()))
        return self._sent


@contextmanager
def ray_crew(work: Work, address: str, size: Size) -> Iterator[RayCrew]:
    """Workers for one run, ended with it. Raises what `connected` raises."""
    engine, expected = work.engine, identity_of(work)
    job = SearchJob(
        model=engine.spec.name,
        thinking=engine.runtime.template.thinking,
        inputs=work.inputs.to_json(),
        settings=work.settings.to_json(),
        judge=work.judge.name,
        direction=engine.direction(),
    )

    def difference(first: Identity, other: Identity) -> str:
        """Number format and device are the first worker's, all else is the driver's."""
        return replace(expected, number_format=first.number_format, device=first.device).difference(other)

    with pool_for(job, address, size, difference) as pool:
        yield RayCrew(pool)
