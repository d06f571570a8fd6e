"""The control of self-repair: as many random active features that remove as much of the residual stream.

Knows: edits, and who draws matched sets (`core.discovery.control_sets`). Does not know: how self-repair is measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from core.discovery.control_sets import active_layers, matched
from core.edits.edits import Edits, Feature, FeatureEdit
from core.engine import Engine
from core.errors import InputError
from core.hydra.self_repair import SelfRepair, self_repair
from core.prompts.conversation import PromptLike

#: Random draws that an edit is compared with.
DRAWS = 5


@dataclass(frozen=True)
class MatchedEdits:
    """Control edits for one edit set on one prompt.

    draws: the same edits of other features, layer by layer: as many active and as many dormant ones that remove as much
    (within 5% a layer where the prompt has such features). matched: in how many draws they do. removed: norm removed by
    each draw over that by the set. Empty where the set ablates no feature.
    """

    draws: tuple[Edits, ...]
    matched: int
    removed: tuple[float, ...]


def matched_edits(engine: Engine, prompt: PromptLike, edits: Edits, draws: int = DRAWS, seed: int = 0) -> MatchedEdits:
    """Random controls for the ablated features of `edits`; positions and strengths stay, other items are left out.

    An item whose layer is short of features has no counterpart. Raises InputError.
    """
    if draws < 0:
        raise InputError(f"The number of draws is {draws}. Give 0 or more.")
    items = [item for item in edits if isinstance(item, FeatureEdit) and item.value == 0]
    like = list(dict.fromkeys(item.feature for item in items))
    if not like:
        return MatchedEdits((), 0, ())
    layers = active_layers(engine, prompt, {feature.layer for feature in like})
    found = [matched(layers, like, np.random.default_rng([seed, draw])) for draw in range(draws)]
    return MatchedEdits(
        tuple(_instead(items, like, one.features) for one in found),
        sum(one.matched for one in found),
        tuple(one.removed for one in found),
    )


class Repair(NamedTuple):
    """Self-repair under the edits, under each control draw, and how many of these remove as much."""

    found: SelfRepair
    controls: tuple[SelfRepair, ...]
    matched: int


def repair_with_controls(engine: Engine, prompt: PromptLike, edits: Edits) -> Repair:
    """The edits beside random controls, all in one batch. Raises InputError, AssetError."""
    control = matched_edits(engine, prompt, edits)
    found, *drawn = self_repair(engine, prompt, [edits, *control.draws])
    return Repair(found, tuple(drawn), control.matched)


def _instead(items: list[FeatureEdit], like: list[Feature], drawn: tuple[Feature, ...]) -> Edits:
    """The items with each feature exchanged for one that was drawn of its layer."""
    waiting: dict[int, list[Feature]] = {}
    for feature in drawn:
        waiting.setdefault(feature.layer, []).append(feature)
    other = {feature: waiting[feature.layer].pop() for feature in like if waiting.get(feature.layer)}
    return Edits(
        tuple(replace(item, feature=other[item.feature], when=None) for item in items if item.feature in other)
    )
