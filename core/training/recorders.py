"""Recording residuals on workers of a Ray cluster, for the training of SAEs: each holds the plain model.

Knows: what a worker is told of a model, and what must be the same on all of them. Does not know: files, where
conversations come from, or which worker has which batch (`core.scale`). Only the driver writes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from core.engine import Engine
from core.scale.cluster import Size
from core.scale.crew import Crew, Task, pool_for
from core.scale.facts import first_difference
from core.training.record import Residuals
from core.training.turns import taking_turns
from core.training.weights import weights_used
from core.versions import versions

_ADVICE = "Give each worker more memory; what was recorded so far is kept."
#: As of `Crew`: few, because a batch's residuals are megabytes.
_AHEAD = 2
_TITLES = {
    "weights": "other model files or another number format",
    "device": "another kind of device",
    "versions": "other versions",
}


class RecordingIdentity(NamedTuple):
    """What must be the same on every worker, all text. weights: as `core.training.weights` tells them."""

    weights: str
    device: str
    versions: str

    def difference(self, other: RecordingIdentity) -> str:
        """The first fact in which `other` is another, for the end of a sentence; empty where there is none."""
        return first_difference(self._asdict(), other._asdict(), _TITLES)


def identity_of(engine: Engine) -> RecordingIdentity:
    """Of a recording as this machine would make it."""
    every = ", ".join(f"{name} {version}" for name, version in versions().items())
    return RecordingIdentity(weights_used(engine), engine.device, every)


class RecordingJob(NamedTuple):
    """A model, as a worker is told of it: its name in the registry of the worker's machine, and its number format."""

    model: str
    number_format: str

    @property
    def loads(self) -> str:
        return self.model

    @property
    def on_gpu(self) -> bool:
        return True

    def begin(self) -> RecordingHand:
        """Raises what `load` raises."""
        from core.training.command import load_plain

        return RecordingHand(load_plain(self.model, dtype=self.number_format))


class RecordingHand:
    """A worker's model. The prefix of the conversations is computed once."""

    def __init__(self, engine: Engine) -> None:
        self._model, self.identity = engine.model, identity_of(engine)
        self._key: object = None
        self._residuals: Residuals | None = None

    def do(self, prefix: Sequence[int], layers: Sequence[int], rows: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """As `Residuals.of`."""
        with taking_turns(self._model):
            if self._residuals is None or self._key != (prefix, layers):
                self._residuals, self._key = Residuals(self._model, prefix, layers), (prefix, layers)
            return self._residuals.of(rows)


class RayRecorders:
    """Workers as `core.training.record.record` takes them, hired when they are first needed. name: of the model;
    engine: the driver's, which they must be like in all but the device."""

    def __init__(self, name: str, engine: Engine, address: str, size: Size) -> None:
        self._job, self._expected = RecordingJob(name, engine.dtype), identity_of(engine)
        self._address, self._size = address, size
        self._hired = ExitStack()
        self._crew: Crew | None = None

    def __call__(
        self,
        prefix: Sequence[int],
        layers: Sequence[int],
        batches: Sequence[Sequence[Sequence[int]]],
        checkpoint: Callable[[], None],
    ) -> Iterator[list[np.ndarray]]:
        """Raises what `connected` and `Crew.in_order` raise."""

        def difference(first: RecordingIdentity, other: RecordingIdentity) -> str:
            return self._expected._replace(device=first.device).difference(other)

        if self._crew is None:
            pool = self._hired.enter_context(pool_for(self._job, self._address, self._size, difference))
            self._crew = Crew(pool, _ADVICE, _AHEAD)
        tasks = [
            Task(f"Batch {number} of the recording", (tuple(prefix), tuple(layers), batch))
            for number, batch in enumerate(batches)
        ]
        return self._crew.in_order(tasks, checkpoint)

    def close(self) -> None:
        """End the workers."""
        self._hired.close()
        self._crew = None
