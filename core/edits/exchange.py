"""The same edits of other features: what every control of features is made with.

Knows: edits. Does not know: which features are drawn, or why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from core.edits.edits import Edits, Feature
from core.edits.items import FeatureEdit


def exchanged(items: Iterable[FeatureEdit], instead: Mapping[Feature, Feature]) -> Edits:
    """The items, each at the feature that stands for its own; values, positions, strengths and conditions stay. Left
    out are items whose feature has no other, or one in a layer below that of the item's condition."""
    found = [(item, instead.get(item.feature)) for item in items]
    return Edits(
        tuple(
            replace(item, feature=other)
            for item, other in found
            if other is not None and (item.when is None or item.when.feature.layer <= other.layer)
        )
    )


def of_the_same_layer(features: Iterable[Feature], drawn: Sequence[Feature]) -> dict[Feature, Feature]:
    """Each feature → one of `drawn` in its layer, the last of them first; none where a layer has no more."""
    waiting: dict[int, list[Feature]] = {}
    for feature in drawn:
        waiting.setdefault(feature.layer, []).append(feature)
    return {one: waiting[one.layer].pop() for one in dict.fromkeys(features) if waiting.get(one.layer)}
