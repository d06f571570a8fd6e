"""Which SAEs edits are about, by their layers: a feature's number means something in its own SAE only.

Knows: how an edit is written. Does not know: models, or which SAEs there are.
"""

from __future__ import annotations

from collections.abc import Iterable

from core.edits.items import Feature
from core.edits.text import Word
from core.errors import InputError


def named_layers(words: Iterable[str]) -> frozenset[int]:
    """The layers of the features that edits name, in their conditions too. Of words that are no edits, none."""
    return frozenset(feature.layer for word in words for feature in _features(word))


def _features(written: str) -> list[Feature]:
    try:
        word = Word.parse(written)
        names = [name for name in (word.name, word.sensor) if name and name != "direction"]
        return [Feature.parse(name) for name in names]
    except InputError:
        return []
