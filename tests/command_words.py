"""Words of a command with some of its options changed. Knows: words. Does not know: which options there are."""

from __future__ import annotations

from collections.abc import Sequence


def changed(words: Sequence[str], name: str, *values: str) -> list[str]:
    """`words` with option `name`, which has one value there or none, given as `name VALUE …`."""
    kept = list(words)
    if name in kept:
        place = kept.index(name)
        del kept[place : place + 2]
    return [*kept, name, *values]
