"""What a card says of the features in it: label, nearness to the direction, activation, and what else is known.

Knows: labels and meanings as they are given. Does not know: where these come from, or what an edit does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.card.contents import FeatureFacts
from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.hydra import refresh
from core.labels.notes import Labels
from core.measures.scores import Measurement
from core.prompts.conversation import PromptLike

#: The strongest woken features that are described.
MOST_WOKEN = 10


class Meaning(NamedTuple):
    """What is known of a feature besides its label. categories: name → firing rate."""

    role: str | None
    categories: Mapping[str, float] | None


class About(NamedTuple):
    """Where what is known of features comes from."""

    labels: Labels = Labels()
    meaning: Callable[[Feature], Meaning | None] = lambda feature: None


def finite(number: float | None) -> float | None:
    """None for NaN."""
    return None if number is None or number != number else float(number)


def edited_facts(engine: Engine, named: Sequence[Feature], found: Measurement, about: About) -> list[FeatureFacts]:
    """The edited features, most active on the prompt first."""
    if not named:
        return []
    activation = largest(engine, found)
    facts = [
        _fact(engine, f, "edited", float(a), about, c)
        for f, a, c in zip(named, activation, cosines_of(engine, named), strict=True)
    ]
    return sorted(facts, key=lambda one: -one.activation)


def largest(engine: Engine, found: Measurement) -> np.ndarray:
    """float [watched]: each watched feature's largest activation on the first prompt, unedited. BOS is left out, as in
    the tables of the pages: it stands alike before every prompt, and has the largest activations.
    """
    first = int("bos" in engine.prompt("Hello").spans)
    highest: np.ndarray = np.nanmax(found.activations[0, 0][:, first:], axis=-1)
    return highest


def woken_facts(engine: Engine, prompt: PromptLike, edits: Edits, about: About) -> list[FeatureFacts]:
    """The strongest features that an edit set wakes. Raises InputError."""
    if not edits.features:
        return []
    woken = refresh(engine, prompt, edits).woken.head(MOST_WOKEN)
    return [
        _fact(engine, Feature(int(row.layer), int(row.index_)), "woken", 0.0, about, float(row.cosine))
        for row in woken.rename(columns={"index": "index_"}).itertuples(index=False)
    ]


def _fact(engine: Engine, feature: Feature, how: str, activation: float, about: About, cosine: float) -> FeatureFacts:
    note, meaning = about.labels.note(feature), about.meaning(feature)
    return FeatureFacts(
        feature=str(feature),
        how=how,
        label=note.label if note else "",
        origin=note.origin if note and note.label else "",
        cosine=finite(cosine),
        activation=activation,
        effect=None,
        role=meaning.role if meaning else None,
        categories=dict(meaning.categories) if meaning and meaning.categories is not None else None,
    )


def cosines_of(engine: Engine, features: Sequence[Feature]) -> np.ndarray:
    """float32 [features]: of their decoder rows with the direction, NaN without one."""
    if not features:
        return np.zeros(0, dtype=np.float32)
    layers, indices = np.array(features, dtype=np.int64).T
    return engine.reader.cosines(layers, indices)
