"""The paper's analyses as pure functions of activations: who fires, who wakes, who falls silent, who is everywhere.

Knows: arrays of activations and frames of activity. Does not know: models, edits or where the numbers came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.edits.edits import Feature


def fires(activations: np.ndarray) -> np.ndarray:
    """bool [features]: above 0 at some position. activations: float [features, positions], NaN where there is none."""
    return (np.nan_to_num(activations, nan=0.0) > 0).any(axis=-1)


class Woken(NamedTuple):
    """A feature that was dormant and fires, at one position."""

    feature: Feature
    position: int
    value: float


def woken(dormant: Sequence[Feature], after: np.ndarray) -> list[Woken]:
    """Every (feature, position) above 0 under the edit. after: float [dormant features, positions]."""
    rows, positions = np.nonzero(np.nan_to_num(after, nan=0.0) > 0)
    return [Woken(dormant[int(r)], int(p), float(after[r, p])) for r, p in zip(rows, positions, strict=True)]


class Deactivation(NamedTuple):
    """Features that fell silent, and the mean relative drop of the others' largest activation (NaN: no others)."""

    deactivated: int
    drop: float


def deactivation(before: np.ndarray, after: np.ndarray) -> Deactivation:
    """What an edit does to features that fired before it. before, after: float [features, positions]."""
    high = [np.nan_to_num(part, nan=0.0).max(axis=-1, initial=0.0) for part in (before, after)]
    on = high[0] > 0
    still = on & (high[1] > 0)
    drop = float((1 - high[1][still] / high[0][still]).mean()) if still.any() else float("nan")
    return Deactivation(int((on & ~still).sum()), drop)


def active_on_tokens(activity: pd.DataFrame, least: int) -> list[Feature]:
    """Features active on at least `least` tokens of one prompt, BOS not counted, sorted.

    activity: layer, index, position of one prompt. BOS is the same for every prompt and tells nothing of this one.
    """
    counted = activity[activity["position"] > 0].groupby(["layer", "index"], sort=True).size()
    return [Feature(int(layer), int(index)) for layer, index in counted.index[counted >= least]]


def jaccard_pairs(sets: Sequence[Iterable[Feature]]) -> np.ndarray:
    """float [sets, sets]: the Jaccard overlap of every two sets; NaN on the diagonal, and for two empty sets."""
    kept = [frozenset(s) for s in sets]
    found = np.full((len(kept), len(kept)), np.nan)
    for i, j in combinations(range(len(kept)), 2):
        if kept[i] or kept[j]:
            found[i, j] = found[j, i] = len(kept[i] & kept[j]) / len(kept[i] | kept[j])
    return found


class Tally(NamedTuple):
    """Of features that woke: how many (feature, position) marks, and the share of them in each span."""

    features: int
    marks: int
    share: Mapping[str, float]


def where_woken(marks: Iterable[tuple[str, str]]) -> Tally:
    """marks: (feature, span) of each. The paper's share on BOS and on the template's tokens."""
    kept = list(marks)
    spans = pd.Series([span for _, span in kept], dtype=object).value_counts(normalize=True)
    return Tally(len({feature for feature, _ in kept}), len(kept), {str(k): float(v) for k, v in spans.items()})
