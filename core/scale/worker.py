"""What a worker on a cluster does: it loads the model once, keeps it, and carries out groups that it is given.

Knows: an engine, groups, rows as Arrow tables. Does not know: who asks, other workers, the store. Nothing is written. A
group that is carried out twice gives the same rows, so whoever asks may ask again.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from core.discovery.context import Inputs, Work
from core.discovery.groups import carry_out
from core.discovery.ledger import MemoryLedger
from core.discovery.runner import steps_of
from core.discovery.settings import Settings
from core.edits.direction import Direction
from core.scale.identity import Identity, identity_of
from core.scale.rows import from_table, to_table


class Asked(NamedTuple):
    """A run, as a worker is told of it.

    model: its name in the registry of the worker's machine. inputs and settings: as JSON. thinking: None for a model
    that cannot think. direction: the driver's own, which may have been computed there. threads: of torch; more or fewer
    can change a number's last bits.
    """

    model: str
    thinking: bool | None
    inputs: str
    settings: str
    judge: str
    direction: Direction
    threads: int


class Ready(NamedTuple):
    """A worker that has loaded the model. gpus: numbers of those that are its own."""

    identity: Identity
    node: str
    pid: int
    gpus: tuple[int, ...]


class Worker:
    """Made by Ray as an actor, in a process of its own."""

    def __init__(self) -> None:
        self._work: Work | None = None
        self._known: set[str] = set()

    def where(self) -> str:
        """The name of its machine."""
        return platform.node()

    def begin(self, asked: Asked) -> Ready:
        """Load the model. Raises what `load` and `find_judge` raise."""
        import ray
        import torch

        from core.engine import load
        from core.judges.catalogue import find_judge

        torch.set_num_threads(asked.threads)
        engine = load(asked.model)
        if asked.thinking is not None:
            engine = engine.with_thinking(asked.thinking)
        engine.use_direction(asked.direction)
        judge = find_judge(asked.judge, engine=engine)
        inputs, settings = Inputs.from_json(asked.inputs), Settings.from_json(asked.settings)
        self._work = Work(engine, inputs, settings, MemoryLedger(), judge)
        return Ready(identity_of(self._work), platform.node(), os.getpid(), tuple(map(int, ray.get_gpu_ids())))

    def do(self, step: str, items: Sequence[str], earlier: Mapping[str, Any]) -> pa.Table:
        """A group's rows. earlier: step → reference to its rows, of every step that this one reads. Each is fetched
        once. Raises AssetError where files are gone or damaged."""
        import ray

        assert self._work is not None, "begin comes first"
        for name, reference in earlier.items():
            if name not in self._known:
                self._work.ledger.append(from_table(ray.get(reference)))
                self._known.add(name)
        (found,) = (one for one in steps_of(self._work.settings) if one.name == step)
        return to_table(carry_out(self._work, found, items))
