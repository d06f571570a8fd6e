"""Rates over prompts that have several random draws each: intervals over both, and the exact test of a set among draws.

Knows: outcomes as arrays. Does not know: what was drawn.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from core.statistics import FEW, RESAMPLES, SEED, mean, rate

#: Outcomes held at a time while resampling.
_HELD = 200_000


class Interval(NamedTuple):
    """A number with its 95% interval; all NaN for no prompts."""

    value: float
    low: float
    high: float


def over_draws(flipped: np.ndarray, seed: int = SEED) -> Interval:
    """The mean of bool [prompts, draws] with a bootstrap over both levels: prompts, and within each its draws.

    Outcomes that are all alike have no spread to resample: then it is Wilson's interval with the prompts as n, as if
    a prompt's draws told nothing beyond its first. Of fewer than 20 prompts, whose bootstrap covers too little, it is
    Student's t of their shares, within 0 and 1.
    """
    if not flipped.size:
        return Interval(np.nan, np.nan, np.nan)
    value = float(flipped.mean())
    if value in (0.0, 1.0):
        found = rate(int(value) * len(flipped), len(flipped))
        return Interval(value, found.low, found.high)
    return _of_prompts(flipped.astype(np.float64), value, seed, 0.0)


def set_less_draws(of_set: np.ndarray, flipped: np.ndarray, seed: int = SEED) -> Interval:
    """How much more often a set flips, bool [prompts], than its draws, bool [prompts, draws]; paired by prompt.

    The bootstrap is the same, a prompt's set and draws staying together. Where the difference is the same on every
    prompt there is no spread to resample: then the interval is Newcombe's (1998, method 10) from those of both rates,
    as if they were not paired, which is rather too wide. Of fewer than 20 prompts: Student's t, within −1 and 1.
    """
    if not flipped.size:
        return Interval(np.nan, np.nan, np.nan)
    value = float(of_set.mean() - flipped.mean())
    each = of_set[:, None].astype(np.float64) - flipped
    if each.min() == each.max():
        one, two = rate(int(of_set.sum()), len(of_set)), over_draws(flipped)
        below = np.hypot(one.rate - one.low, two.high - two.value)
        above = np.hypot(one.high - one.rate, two.value - two.low)
        return Interval(value, value - float(below), value + float(above))
    return _of_prompts(each, value, seed, -1.0)


def _of_prompts(each: np.ndarray, value: float, seed: int, least: float) -> Interval:
    """Of float64 [prompts, draws], which are between `least` and 1."""
    shares = mean(each.mean(1))
    if len(each) < FEW and np.isfinite(shares.low):
        return Interval(value, max(least, shares.low), min(1.0, shares.high))
    return Interval(value, *_quantiles(_resampled(each, seed).mean(1)))


def _resampled(each: np.ndarray, seed: int) -> np.ndarray:
    """float64 [resamples, prompts]: means of prompts drawn with replacement, each over its draws drawn likewise."""
    rng, (prompts, draws) = np.random.default_rng(seed), each.shape
    at_a_time = max(1, _HELD // each.size)
    found = []
    for start in range(0, RESAMPLES, at_a_time):
        some = min(at_a_time, RESAMPLES - start)
        chosen = rng.integers(prompts, size=(some, prompts, 1))
        found.append(each[chosen, rng.integers(draws, size=(some, prompts, draws))].mean(-1))
    return np.concatenate(found)


def _quantiles(values: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(values, (0.025, 0.975))
    return float(low), float(high)


def exchangeable(of_set: np.ndarray, flipped: np.ndarray) -> float:
    """The exact p-value, two-sided, of “each prompt's set is one more draw”.

    of_set: bool [prompts]; flipped: bool [prompts, draws]. Under that hypothesis any of a prompt's 1 + draws outcomes
    is as likely the set's, so the number of sets that flip is a sum of independent coins, a prompt's being the share of
    its outcomes that flip. p is twice the smaller tail, at most 1; NaN for no prompts.
    """
    if not flipped.size:
        return float("nan")
    chance = (of_set.astype(np.float64) + flipped.sum(1)) / (1 + flipped.shape[1])
    weights = np.ones(1)
    for p in chance:
        weights = np.convolve(weights, (1 - p, p))
    seen = int(of_set.sum())
    return float(min(1.0, 2 * min(weights[seen:].sum(), weights[: seen + 1].sum())))
