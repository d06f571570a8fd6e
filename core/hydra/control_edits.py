"""What stands beside the claim of an edit set: the same edits of random features, or of a random direction.

Knows: how each kind of edit is matched. Does not know: what is measured with it, a card or self-repair. Ablated
features: as many random ones that remove as much of the residual stream (`repair_controls.py`). Clamped features:
random ones of the same layers, held alike. The direction: random unit vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from core.edits.direction import Direction, make_direction
from core.edits.edits import Edits, Feature
from core.edits.exchange import exchanged, of_the_same_layer
from core.edits.items import DirectionEdit, FeatureEdit
from core.engine import Engine
from core.hydra.repair_controls import DRAWS, matched_edits
from core.prompts.conversation import PromptLike


class Drawn(NamedTuple):
    """Control edits for one edit set. seeds: of the random direction in each draw, None where there is none. about:
    what was drawn, in a sentence."""

    draws: tuple[Edits, ...]
    seeds: tuple[int | None, ...]
    about: str


def controls_for(engine: Engine, prompt: PromptLike, edits: Edits, seed: int) -> Drawn:
    """Random edits to compare `edits` with on this prompt. Raises InputError."""
    features = [item for item in edits if isinstance(item, FeatureEdit)]
    ablated, clamped = ([i for i in features if (i.value == 0) is off] for off in (True, False))
    parts, about = [Edits()] * DRAWS, []
    if ablated:
        found = matched_edits(engine, prompt, edits, DRAWS, seed)
        parts = [a + b for a, b in zip(parts, found.draws, strict=True)]
        about.append(
            "as many random active features of the same layers that remove as much of the residual stream where the "
            f"edits act (within 5% in {found.matched} of {DRAWS} draws)"
            if found.removes
            else "as many random features of the same layers that are silent on this prompt, as the ablated ones are "
            "wherever the edits act"
        )
    if clamped:
        barred = {item.feature for item in features}
        parts = [
            one + _elsewhere(engine, clamped, barred, np.random.default_rng([seed, n])) for n, one in enumerate(parts)
        ]
        about.append("random features of the same layers, clamped alike")
    seeds: list[int | None] = [None] * DRAWS
    if edits.directions:
        seeds = [1000 * seed + n for n in range(DRAWS)]
        parts = [one + _turned(edits.directions, number) for one, number in zip(parts, seeds, strict=True)]
        about.append("random directions in the refusal direction’s place")
    kept = [(one, number) for one, number in zip(parts, seeds, strict=True) if one]
    if not kept:
        return Drawn((), (), "No control could be drawn: no other feature of these layers fires on this prompt.")
    different = len({str(one) for one, _ in kept})
    alike = (
        ""
        if different == len(kept)
        else f" Only {different} of them {'is' if different == 1 else 'are'} different, so n is {different}."
    )
    sentence = f"{len(kept)} draws: {'; '.join(about)}.{alike}"
    return Drawn(tuple(one for one, _ in kept), tuple(number for _, number in kept), sentence)


def random_direction(like: Direction, seed: int) -> Direction:
    """A random unit vector at the same place. NumPy's generator, whose numbers are the same on every machine."""
    drawn = np.random.default_rng(seed).standard_normal(like.vector.numel())
    return make_direction(torch.from_numpy(drawn), like.layer, like.position, {"rule": f"random, seed {seed}"})


def _turned(items: Sequence[DirectionEdit], seed: int | None) -> Edits:
    assert seed is not None
    return Edits(tuple(replace(item, direction=random_direction(item.direction, seed)) for item in items))


def _elsewhere(
    engine: Engine, items: Sequence[FeatureEdit], barred: set[Feature], generator: np.random.Generator
) -> Edits:
    """The items, each at another feature of its layer; positions, strengths and conditions stay."""
    drawn = [
        feature
        for layer in sorted({item.feature.layer for item in items})
        for index in generator.permutation(engine.widths[layer])
        if (feature := Feature(layer, int(index))) not in barred
    ]
    return exchanged(items, of_the_same_layer((item.feature for item in items), drawn))
