"""How far several annotators agree: the majority, Fleiss' κ and Krippendorff's α, with bootstrap intervals over items.

Knows: choices (sets of labels), one mapping annotator → choice for each item. Does not know: what was asked. Two judges
who both judged everything are compared by Cohen's κ in `core.judges.agreement`.
Fleiss 1971 (Psychological Bulletin 76, 378–382); Krippendorff 2011 (“Computing Krippendorff's alpha-reliability”);
the distance of two sets is MASI's (Passonneau 2006, LREC). The libraries at hand have κ and α without an interval, or
need every item rated by everybody; here an interval is one product of resampled weights with counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.statistics import RESAMPLES, SEED, Estimate
from core.study.answers import NOTHING, Choice

Ratings = Sequence[Mapping[str, Choice]]
Distance = Callable[[Choice, Choice], float]


def majority(choices: Collection[Choice]) -> Choice:
    """The labels that more than half of the annotators chose (the paper: two of three); empty where there is none."""
    counts = Counter(label for choice in choices for label in choice)
    return frozenset(label for label, count in counts.items() if 2 * count > len(choices)) if choices else NOTHING


def same(first: Choice, second: Choice) -> float:
    """The nominal distance: 0 for the same choice, else 1."""
    return float(first != second)


def masi(first: Choice, second: Choice) -> float:
    """MASI's distance of two choices: 1 − Jaccard · monotonicity; 0 for the same, 1 for nothing in common."""
    if first == second:
        return 0.0
    both, either = first & second, first | second
    monotone = 0.0 if not both else 2 / 3 if both in (first, second) else 1 / 3
    return 1 - len(both) / len(either) * monotone


class Counts(NamedTuple):
    """How often each choice was made: int64 [items, values], and the values."""

    table: np.ndarray
    values: tuple[Choice, ...]


def counts(ratings: Ratings) -> Counts:
    """From choices; an item that nobody rated is a row of zeros."""
    values = sorted({choice for item in ratings for choice in item.values()}, key=sorted)
    place = {value: number for number, value in enumerate(values)}
    table = np.zeros((len(ratings), len(values)), dtype=np.int64)
    for row, item in enumerate(ratings):
        for choice in item.values():
            table[row, place[choice]] += 1
    return Counts(table, tuple(values))


def about_label(ratings: Ratings, label: str) -> list[dict[str, Choice]]:
    """The same ratings as the answer to one question: was this label chosen?"""
    yes, no = frozenset({label}), NOTHING
    return [{who: yes if label in choice else no for who, choice in item.items()} for item in ratings]


def fleiss_kappa(ratings: Ratings) -> Estimate:
    """κ over the items that every annotator rated, because it is defined for one number of ratings. n: those items.

    A choice of several labels counts as one value. NaN for fewer than two annotators, no such item, or one value only.
    """
    people = len({who for item in ratings for who in item})
    table = counts([item for item in ratings if len(item) == people]).table
    if people < 2 or not len(table):
        return Estimate(np.nan, 0, np.nan, np.nan)
    agreeing = (table * (table - 1)).sum(1) / (people * (people - 1))
    shares = table / people

    def kappa(weights: np.ndarray) -> np.ndarray:
        observed, margins = weights @ agreeing, weights @ shares
        expected = (margins**2).sum(1)
        return _ratio(observed - expected, 1 - expected)

    return _bootstrapped(kappa, len(table))


def krippendorff_alpha(ratings: Ratings, distance: Distance = same) -> Estimate:
    """α over the items that at least two annotators rated, however many. n: those items.

    NaN where there is no such item, or all choices are the same.
    """
    table, values = counts([item for item in ratings if len(item) > 1])
    if not len(table):
        return Estimate(np.nan, 0, np.nan, np.nan)
    apart = np.array([[distance(a, b) for b in values] for a in values])
    rated = table.sum(1)
    disagreeing = ((table @ apart) * table).sum(1) / (rated - 1)  # summed over ordered pairs of an item's ratings

    def alpha(weights: np.ndarray) -> np.ndarray:
        scaled = weights * len(table)  # so that the number of ratings is a number and not a share
        total, margins = scaled @ rated, scaled @ table
        observed = scaled @ disagreeing / total
        expected = ((margins @ apart) * margins).sum(1) / (total * (total - 1))
        return 1 - _ratio(observed, expected)

    return _bootstrapped(alpha, len(table))


def _bootstrapped(statistic: Callable[[np.ndarray], np.ndarray], n: int) -> Estimate:
    """statistic: from float64 [draws, items], the weight of each item, to float64 [draws]; NaN draws are left out."""
    value = float(statistic(np.full((1, n), 1 / n))[0])
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES) / n
    found = statistic(drawn)
    found = found[np.isfinite(found)]
    if np.isnan(value) or n < 2 or not len(found):
        return Estimate(value, n, np.nan, np.nan)
    low, high = np.percentile(found, [2.5, 97.5])
    if not low < high:  # full agreement in every draw: a bootstrap cannot tell how far it reaches
        return Estimate(value, n, np.nan, np.nan)
    return Estimate(value, n, float(low), float(high))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole; NaN where the whole is 0 but for rounding."""
    safe = np.where(np.abs(whole) > 1e-12, whole, np.nan)
    return part / safe
