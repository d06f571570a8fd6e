"""A feature's label as pages show it. Knows: labels. Does not know: widgets."""

from __future__ import annotations

from core import Feature
from core.labels.notes import Labels
from core.labels.wording import TEMPLATE, without_promoted

#: Letters before the marked token that a chip has room for.
_BEFORE = 10


def about(labels: Labels, feature: Feature) -> str:
    """Where it fires, in the label's words, without what it promotes; empty where nothing is known."""
    return without_promoted(labels.label(feature))


def short(labels: Labels, feature: Feature) -> str:
    """The same for a chip or a table's cell: a marked token with the few letters before it."""
    text = about(labels, feature).partition(" · ")[0]
    kind = TEMPLATE if text.startswith(TEMPLATE) else ""
    before, mark, rest = text.removeprefix(kind).partition("⟦")
    if not mark or len(before) <= _BEFORE:
        return text
    return f"{kind}…{before[-_BEFORE:]}{mark}{rest}"
