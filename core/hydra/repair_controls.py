"""The control of ablated features: as many random active ones that remove as much of the residual stream.

Knows: edits, and who draws matched sets (`core.discovery.control_sets`). Does not know: what is measured with them, or
how other edits are matched (`control_edits.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from core.discovery.control_sets import ActiveLayer, Control, active_layers, matched
from core.edits.edits import POSITIONS, Edits, Feature, FeatureEdit
from core.edits.exchange import exchanged, of_the_same_layer
from core.edits.items import Sensor
from core.engine import Engine
from core.errors import InputError
from core.prompts.conversation import PromptLike

#: Random draws that an edit is compared with.
DRAWS = 5


@dataclass(frozen=True)
class MatchedEdits:
    """Control edits for one edit set on one prompt.

    draws: the same edits of other features, layer by layer: as many active and as many dormant ones that remove as much
    where the edits act (within 5% a layer where the prompt has such features), those at the first token alone for those
    at the first token alone. matched: in how many draws they do.
    removed: norm removed by each draw over that by the set, NaN where the set removes nothing from this prompt. Empty
    where the set ablates no feature.
    """

    draws: tuple[Edits, ...]
    matched: int
    removed: tuple[float, ...]

    @property
    def removes(self) -> bool:
        """Whether the set removes anything from this prompt; else every draw matches it, and means nothing."""
        return bool(np.isfinite(self.removed).any())


def matched_edits(engine: Engine, prompt: PromptLike, edits: Edits, draws: int = DRAWS, seed: int = 0) -> MatchedEdits:
    """Random controls for the ablated features of `edits`; positions, strengths and conditions stay, other items are
    left out.

    An item whose layer is short of features has no counterpart. Raises InputError.
    """
    if draws < 0:
        raise InputError(f"The number of draws is {draws}. Give 0 or more.")
    items = [item for item in edits if isinstance(item, FeatureEdit) and item.value == 0]
    if not items:
        return MatchedEdits((), 0, ())
    barred = {item.feature for item in items}
    alike: dict[tuple[str, float, Sensor | None], list[FeatureEdit]] = {}
    for item in items:
        alike.setdefault((item.positions, item.strength, item.when), []).append(item)
    kinds = [kind for some in alike.values() for kind in _kinds(engine, prompt, some)]
    found = [
        [
            matched(kind.layers, kind.like, np.random.default_rng([seed, draw, number]), barred | kind.barred)
            for number, kind in enumerate(kinds)
        ]
        for draw in range(draws)
    ]
    return MatchedEdits(
        tuple(_together(kinds, controls) for controls in found),
        sum(all(one.matched for one in controls) for controls in found),
        tuple(_removed(kinds, controls) for controls in found),
    )


class _Kind(NamedTuple):
    """Items that act at the same tokens with one strength. like: their features. layers: what fires at these tokens.
    barred: features that are no counterpart, as they fire at other tokens where the items act. norm: what the items
    remove, summed over layers."""

    items: list[FeatureEdit]
    like: list[Feature]
    layers: dict[int, ActiveLayer]
    barred: set[Feature]
    norm: float


def _kinds(engine: Engine, prompt: PromptLike, items: list[FeatureEdit]) -> list[_Kind]:
    """Features that fire at the first token alone, BOS in most models, are matched with such ones there; all others
    behind it. The activations at the first token are many times larger, and would decide every match."""
    like = list(dict.fromkeys(item.feature for item in items))
    where = _acts_at(engine, prompt, items[0])
    first = where & (np.arange(len(where)) == 0)
    layers = [active_layers(engine, prompt, {one.layer for one in like}, at) for at in (where & ~first, first)]
    behind, at_first = ({Feature(n, int(i)) for n, one in found.items() for i in one.index} for found in layers)
    alone = at_first - behind
    parts = [
        ([one for one in like if one not in alone], layers[0], alone),
        ([one for one in like if one in alone], layers[1], behind),
    ]
    return [_kind([item for item in items if item.feature in part], at, bar) for part, at, bar in parts if part]


def _kind(items: list[FeatureEdit], layers: dict[int, ActiveLayer], barred: set[Feature]) -> _Kind:
    like = list(dict.fromkeys(item.feature for item in items))
    norm = sum(layer.removed(layer.rows_of(like)) for layer in layers.values())
    return _Kind(items, like, layers, barred, abs(items[0].strength) * norm)


def _acts_at(engine: Engine, prompt: PromptLike, item: FeatureEdit) -> np.ndarray:
    """bool [positions]: where the edit acts on the prompt. Where a condition is met is read on the unedited prompt."""
    where = (engine.prompt(prompt).position_bits & POSITIONS[item.positions]) > 0
    if item.when is not None:
        sensor = engine.measure([prompt], [Edits()], watch=[item.when.feature]).activations[0, 0, 0]
        where &= sensor[: len(where)] > item.when.threshold
    return where


def _removed(kinds: Sequence[_Kind], controls: Sequence[Control]) -> float:
    """Norm removed by the controls over that by the items; NaN where these remove nothing."""
    total = sum(kind.norm for kind in kinds)
    parts = [kind.norm * one.removed for kind, one in zip(kinds, controls, strict=True) if kind.norm > 0]
    return sum(parts) / total if total > 0 else float("nan")


def _together(kinds: Sequence[_Kind], controls: Sequence[Control]) -> Edits:
    """The items with each feature exchanged for one that was drawn of its layer."""
    parts = [
        exchanged(kind.items, of_the_same_layer(kind.like, control.features))
        for kind, control in zip(kinds, controls, strict=True)
    ]
    return sum(parts, Edits())
