"""How many features of each kind a pool wants. Knows: counts. Does not know: features, so a command's help is quick."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InputError


@dataclass(frozen=True)
class PoolSizes:
    """How many features a pool wants. each: features of the pipeline for every number of categories, 1 to as many as
    there are. active, silent: random features that fire on some category, on none. training: features with known
    answers to begin with."""

    each: int = 8
    active: int = 23
    silent: int = 7
    training: int = 3

    def __post_init__(self) -> None:
        if min(self.each, self.active, self.silent, self.training) < 0:
            raise InputError("A study cannot have a negative number of features. Give counts of 0 or more.")
        if not self.each + self.active + self.silent:
            raise InputError("The study would have no feature. Give at least one count above 0.")

    def total(self, categories: int) -> int:
        """Features of a whole pool, without the training."""
        return self.each * categories + self.active + self.silent


#: As many in all as the paper shows, 70, with its numbers of random features.
PAPER_SIZES = PoolSizes()
