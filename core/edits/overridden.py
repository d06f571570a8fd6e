"""Which items of a set have no effect, because a later one holds at every token at which they act.

Knows: which places contain which, and conditions. Does not know: how items are applied. Such items stay in their set:
it computes the same with and without them. No two later items override a third only together: no two places make up
another one, and a condition is never the opposite of another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.edits.items import DirectionEdit, Feature, FeatureEdit
from core.edits.text import write_item

#: Place → the others that lie within it in every chat prompt; all of them lie within “all”.
_WITHIN = {"template": {"last"}}
_NAMED = 5


class Overridden(NamedTuple):
    """item: has no effect. by: the item that holds wherever it acts."""

    item: FeatureEdit
    by: FeatureEdit


def overridden(items: Sequence[FeatureEdit | DirectionEdit]) -> tuple[Overridden, ...]:
    """The items that have no effect on chat prompts, in order, each with the last one that overrides it."""
    later: dict[Feature, list[FeatureEdit]] = {}
    found = []
    for item in reversed(items):
        if not isinstance(item, FeatureEdit):
            continue  # one that ablates the direction may stand once, and additions add up
        after = later.setdefault(item.feature, [])
        by = next((other for other in after if _holds_wherever(other, item)), None)
        if by is not None:
            found.append(Overridden(item, by))
        after.append(item)
    return tuple(reversed(found))


def overridden_sentence(items: Sequence[FeatureEdit | DirectionEdit]) -> str:
    """Which edits have no effect, and why, in one sentence; empty where all have one."""
    found = overridden(items)
    if not found:
        return ""
    if len(found) == 1:
        item, by = map(write_item, found[0])
        return f"“{item}” has no effect, because “{by}” comes after it and holds at every token where it would act."
    named = ", ".join(f"“{write_item(item)}” (“{write_item(by)}”)" for item, by in found[:_NAMED])
    return (
        f"{len(found)} edits have no effect, because another (in brackets) comes after each and holds at every token "
        f"where it would act: {named}{' …' * (len(found) > _NAMED)}."
    )


def _holds_wherever(other: FeatureEdit, item: FeatureEdit) -> bool:
    """Whether `other`, an edit of the same feature, acts at every token at which `item` does."""
    there = other.positions in ("all", item.positions) or item.positions in _WITHIN.get(other.positions, ())
    if other.when is None or not there:
        return there
    return item.when is not None and item.when.feature == other.when.feature and other.when[1] <= item.when[1]
