"""The other way to a feature's category: not from where it fires but from what its label says, and how the two agree.

A label goes to the category whose prompts its words are nearest, or to none where the contrast prompts are nearer.
Knows: labels and prompts as text. Does not know: activations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.judges.agreement import Agreement, agreement
from core.prompts.categories import NO_CATEGORY, Labelled
from core.semantics.categories import CategoryTests
from core.semantics.vectors import vectors
from core.semantics.words import content, explanation

SEVERAL = "several"


def categories_by_text(labels: Sequence[str], prompts: Labelled) -> list[str]:
    """The category of each label, or “none”. Nearest is the mean of a category's text vectors, by cosine."""
    said, texts = vectors([content(label) for label in labels], [*prompts.texts, *prompts.contrast])
    of = np.array([*prompts.categories, *[NO_CATEGORY] * len(prompts.contrast)])
    names = [*prompts.names, *([NO_CATEGORY] if prompts.contrast else [])]
    middles = np.stack([np.asarray(texts[np.flatnonzero(of == name)].mean(0)).ravel() for name in names])
    middles /= np.maximum(np.linalg.norm(middles, axis=1, keepdims=True), 1e-12)
    near = said @ middles.T
    return [names[int(row.argmax())] if row.any() else NO_CATEGORY for row in near]


class Part(NamedTuple):
    """Labels, and prompts that none of them was made from. tests: of these prompts, the labels' features among them."""

    tests: CategoryTests
    labels: Mapping[Feature, str]
    prompts: Labelled


def agreement_of_routes(parts: Sequence[Part]) -> Agreement:
    """κ of the category from firing and the one from the label's words, over labelled features that fire and answer to
    one category or to none; one that answers to several has no single category to compare."""
    by_firing, by_text = list[str](), list[str]()
    for part in parts:
        here = _routes(*part)
        by_firing += here[0]
        by_text += here[1]
    names = dict.fromkeys(name for part in parts for name in part.tests.names)
    return agreement(by_firing, by_text, [*names, NO_CATEGORY])


def _routes(tests: CategoryTests, labels: Mapping[Feature, str], prompts: Labelled) -> tuple[list[str], list[str]]:
    """The category of each such feature from firing, and from its label's words."""
    places = [
        place
        for place, feature in enumerate(tests.features)
        if tests.active[place] and explanation(labels.get(feature, "")) and tests.verdict(place) != SEVERAL
    ]
    by_firing = [tests.best(place) or NO_CATEGORY for place in places]
    by_text = categories_by_text([labels[tests.features[place]] for place in places], prompts) if places else []
    return by_firing, by_text
