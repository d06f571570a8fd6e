"""How well choices name the categories from firing, and what guessing would give.

Knows: choices and truths, one of each an item. Does not know: who chose, or where a truth is from.
The paper (appendix, “Human Study”): “prediction is supposed to contain all those labels for a score of 1 for that
feature otherwise we penalize an equal fraction of each missing label”. So the score is the share of the true labels
that were chosen, and choosing every label scores 1; the stricter score beside it, Jaccard's, counts wrong labels too. A
feature that fires on nothing has the one true label “None”. An item without a majority scores 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.statistics import SEED, Estimate, Rate, mean, rate
from core.study.answers import Choice

#: Shuffles of the choices over the items.
SHUFFLES = 10_000
#: What the paper's three annotators scored on its 70 features; it says nothing of guessing.
PAPER_SCORE = 0.1342


def credit(chosen: Choice, truth: Choice) -> float:
    """The paper's score of one item: the share of the true labels that were chosen."""
    return len(chosen & truth) / len(truth)


def jaccard(chosen: Choice, truth: Choice) -> float:
    """The stricter score: labels in both over labels in either."""
    return len(chosen & truth) / len(chosen | truth)


class Scores(NamedTuple):
    """Over items. credit: the paper's score; jaccard: the stricter one; exact: every label right and none more.

    A score of which every item has 0 or 1, as where one verdict is asked for, is a rate, and has Wilson's interval too.
    """

    credit: Estimate
    jaccard: Estimate
    exact: Rate


def scores(chosen: Sequence[Choice], truths: Sequence[Choice]) -> Scores:
    """One choice and one truth an item, in the same order."""
    pairs = list(zip(chosen, truths, strict=True))
    exact = sum(choice == truth for choice, truth in pairs)
    return Scores(
        _averaged([credit(*pair) for pair in pairs]),
        _averaged([jaccard(*pair) for pair in pairs]),
        rate(exact, len(pairs)),
    )


def _averaged(values: Sequence[float]) -> Estimate:
    """Their mean, with its interval."""
    if any(value not in (0, 1) for value in values):
        return mean(values)
    found = rate(sum(value == 1 for value in values), len(values))
    return Estimate(found.rate, found.n, found.low, found.high)


class Guessing(NamedTuple):
    """What the same choices score when they are dealt to the items at random, so that every choice is made as often.

    mean: exact, over all shuffles. low, high: where 95% of `SHUFFLES` shuffles lie. p: the share of them, and of the
    choices as they are, that score at least as much as the choices as they are. NaN for no items.
    """

    mean: float
    low: float
    high: float
    p: float
    n: int


def guessing(chosen: Sequence[Choice], truths: Sequence[Choice], seed: int = SEED) -> Guessing:
    """Random guessing with the same marginal, for the paper's score."""
    n = len(chosen)
    if not n:
        return Guessing(np.nan, np.nan, np.nan, np.nan, 0)
    every = np.array([[credit(choice, truth) for truth in truths] for choice in chosen])  # [choice, item]
    dealt = np.random.default_rng(seed).permuted(np.tile(np.arange(n), (SHUFFLES, 1)), axis=1)  # [shuffle, item]
    drawn = every[dealt, np.arange(n)].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    reached = int((drawn >= np.trace(every) / n - 1e-12).sum())
    return Guessing(float(every.mean()), float(low), float(high), (reached + 1) / (SHUFFLES + 1), n)
