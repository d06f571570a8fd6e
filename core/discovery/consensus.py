"""One ranking out of several: a machine fitted with several seeds ranks features differently each time.

Knows: lists of features, best first. Does not know: machines, or what a ranking is used for.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from core.edits.edits import Feature


def mean_rank(rankings: Sequence[Sequence[Feature]], most: int | None = None) -> list[Feature]:
    """The consensus: features by their mean rank, ties by layer and index; one ranking comes back as it is.

    A feature that a ranking does not hold has the rank just behind its last: rankings may be cut off at some length.
    """
    every = sorted({feature for ranked in rankings for feature in ranked})
    place = {feature: row for row, feature in enumerate(every)}
    ranks = np.empty((len(every), len(rankings)))
    for column, ranked in enumerate(rankings):
        ranks[:, column] = len(ranked)
        ranks[[place[feature] for feature in ranked], column] = np.arange(len(ranked))
    order = np.argsort(ranks.mean(1), kind="stable") if every else np.empty(0, dtype=np.int64)
    return [every[row] for row in order[:most]]


def top_overlaps(rankings: Sequence[Sequence[Feature]], top: int = 100) -> np.ndarray:
    """float64 [pairs of rankings]: the share of the first `top` features that two rankings have in common.

    Where rankings are shorter, `top` is their shortest length.
    """
    top = min([top, *map(len, rankings)])
    first = [frozenset(ranked[:top]) for ranked in rankings]
    return np.array([len(a & b) / top for a, b in combinations(first, 2)] if top else [])


def overlap_by_chance(candidates: int, top: int = 100) -> float:
    """What `top_overlaps` is on average for rankings drawn at random from so many candidates."""
    return min(1.0, top / candidates) if candidates else float("nan")
