"""How a source of labels stands after its bulk files were fetched. Knows: what is told. Does not know: HTTP, tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Bulk:
    """How a source stands after a bulk fetch.

    batches: how many files it has, as far as is known. had: files that were here already; fetched: those that came;
    missing: numbers in the middle that the site does not have; damaged: number → what is wrong. cancelled: whether the
    person ended it. labels: features with a label now.
    """

    source: str
    batches: int
    had: int
    fetched: int
    missing: tuple[int, ...]
    damaged: Mapping[int, str]
    cancelled: bool
    labels: int

    @property
    def complete(self) -> bool:
        """Whether every file there is, is here."""
        return not (self.cancelled or self.missing or self.damaged) and self.batches > 0

    def sentence(self) -> str:
        """What came of it, for people."""
        if not self.batches:
            return f"Neuronpedia has no explanations for {self.source}."
        here = f"{self.source}: {self.labels:,} labels from {self.had + self.fetched} of {self.batches} files"
        troubles = [f"file {n} is missing on Neuronpedia" for n in self.missing]
        troubles += [f"file {n} arrived damaged ({why})" for n, why in self.damaged.items()]
        if self.cancelled:
            troubles.append("the download was stopped")
        return f"{here}; {', '.join(troubles)}. Run it again to fetch the rest." if troubles else f"{here}."
