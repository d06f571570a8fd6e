"""Firing that a test plants by hand, for lists of prompts that it writes itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csc_array

from core.edits.edits import Feature
from core.labels.contexts import Context
from core.labels.notes import FeatureNote, Labels
from core.labels.source_texts import MadeFrom, text_digest
from core.prompts.categories import Labelled, labelled
from core.semantics.firing import Firing

CATEGORIES = ("drugs", "fraud", "hacking")
EACH, CONTRAST = 20, 30
#: Where each category's prompts stand, and the contrast prompts behind them.
ROWS = {name: range(i * EACH, (i + 1) * EACH) for i, name in enumerate(CATEGORIES)}
ALL_PROMPTS = len(CATEGORIES) * EACH + CONTRAST


def prompts() -> Labelled:
    texts = [f"{name} request number {i}" for name in CATEGORIES for i in range(EACH)]
    return labelled(texts, [name for name in CATEGORIES for _ in range(EACH)], contrast_texts(), "planted")


def contrast_texts() -> list[str]:
    return [f"harmless question {i}" for i in range(CONTRAST)]


def firing(instruction: np.ndarray, template: np.ndarray | None = None, other: np.ndarray | None = None) -> Firing:
    """One layer, 3. Each: float [prompts, features]."""
    places = [other, instruction, template]
    first, second, third = (
        csc_array((np.zeros_like(instruction) if place is None else place).astype(np.float32)) for place in places
    )
    return Firing(len(instruction), {3: instruction.shape[1]}, (first, second, third))


class EveryFeature:
    """A source that has the same things to say of every feature. source: what its labels were made from."""

    version = 0

    def __init__(self, contexts: int, source: MadeFrom) -> None:
        self.contexts, self.source = contexts, source

    def __len__(self) -> int:
        return 1

    def label(self, feature: Feature) -> str:
        return f"label {feature.layer} of ⟦word⟧ {feature.index}"

    def note(self, feature: Feature) -> FeatureNote:
        around = [Context(f"before {i} ", f"word{feature.index}", " after", 2.0) for i in range(self.contexts)]
        return FeatureNote(self.label(feature), 0.1, 2.0, tuple(around), "one, two")

    def made_from(self, layer: int) -> MadeFrom:
        return self.source


def known(contexts: int = 3, source: MadeFrom | None = None) -> Labels:
    return Labels((EveryFeature(contexts, source or MadeFrom("shipped")),))


def made_from(texts: Sequence[str]) -> MadeFrom:
    return MadeFrom("made here", frozenset(map(text_digest, texts)))
