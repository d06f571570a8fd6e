"""What labels are made from: token sequences, and which of their tokens count.

Knows: token ids. Does not know: SAEs, labels, where prompts come from.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from core.engine import Engine
from core.errors import InputError
from core.forward.batches import shared_prefix
from core.text.json_text import json_text


@dataclass(frozen=True)
class Sample:
    """Token sequences to read. shared: so many leading tokens are the same in all of them, and count once.

    texts: what they were written from; empty where that is not known.
    """

    sequences: tuple[tuple[int, ...], ...]
    shared: int = 0
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(len(ids) > 1 for ids in self.sequences):
            raise InputError("There are no prompts to make labels from. Give at least one.")

    @property
    def digest(self) -> str:
        """Which tokens these are: 16 hex digits of their sha256."""
        return hashlib.sha256(json_text([self.shared, self.sequences]).encode()).hexdigest()[:16]

    # Position 0 is left out everywhere: it is the same for every prompt, and many times larger than the rest.
    @cached_property
    def ids(self) -> np.ndarray:
        """int64 [tokens]: the token ids, one sequence behind the other."""
        return np.array([i for sequence in self.sequences for i in sequence[1:]], dtype=np.int64)

    @cached_property
    def owner(self) -> np.ndarray:
        """int64 [tokens]: the number of each token's sequence."""
        lengths = [len(sequence) - 1 for sequence in self.sequences]
        return np.repeat(np.arange(len(lengths)), lengths)

    @cached_property
    def _begins(self) -> np.ndarray:
        """int64 [sequences + 1]: the first row of each sequence, and the end."""
        return np.cumsum([0, *(len(sequence) - 1 for sequence in self.sequences)])

    def bounds(self, row: int) -> tuple[int, int]:
        """The rows of the sequence that `row` is in: first, and one after the last."""
        owner = self.owner[row]
        return int(self._begins[owner]), int(self._begins[owner + 1])

    @cached_property
    def counted(self) -> np.ndarray:
        """int64 [counted]: rows that count, the shared tokens in the first sequence only."""
        position = np.concatenate([np.arange(1, len(sequence)) for sequence in self.sequences])
        return np.flatnonzero((position >= self.shared) | (self.owner == 0))


def sample_of(engine: Engine, prompts: Sequence[str]) -> Sample:
    """The prompts as the model reads them, template and all. Raises InputError for one that cannot be used."""
    read = [engine.prompt(text) for text in prompts]
    shared = shared_prefix(read) if len(read) > 1 else 0
    return Sample(tuple(prompt.ids for prompt in read), shared, tuple(prompts))
