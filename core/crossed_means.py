"""Means over pairs, with intervals: of every set with every text, and of every prompt with every other.

Knows: numbers. Does not know: what was measured. One value is in several pairs, so pairs are no sample: sets, texts and
prompts are.
"""

from __future__ import annotations

import numpy as np

from core.statistics import FEW, RESAMPLES, SEED, Estimate, mean, students_half


def mean_over_both(values: np.ndarray) -> Estimate:
    """The mean of float [sets, texts] where both are samples. n: texts. With one set only texts are drawn.

    Of at least 20 sets and 20 texts: percentiles of the two-way bootstrap of McCullagh 2000 (Bernoulli 6, 285–301), in
    which sets and texts are drawn, each for itself, a little too wide rather than too narrow. Of fewer, such an
    interval covers 64% at 2 sets and 2 texts and 82% at 3 and 40, so it is Student's t: the mean squares of sets and
    of texts together, degrees of freedom after Satterthwaite 1946 (Biometrics Bulletin 2, 110–114).
    """
    x = np.atleast_2d(np.asarray(values, dtype=float))
    x = x[:, np.isfinite(x).all(0)]
    sets, texts = x.shape
    if sets < 2 or texts < 2:
        return mean(x.reshape(-1)) if sets == 1 or texts == 1 else Estimate(np.nan, 0, np.nan, np.nan)
    value, low, high = float(x.mean()), np.nan, np.nan
    if min(sets, texts) < FEW:
        squares = np.array([texts * x.mean(1).var(ddof=1), sets * x.mean(0).var(ddof=1)])
        if squares.sum() > 0:
            freedom = squares.sum() ** 2 / (squares**2 / (np.array([sets, texts]) - 1)).sum()
            half = students_half((squares.sum() / x.size) ** 0.5, freedom)
            low, high = value - half, value + half
    elif np.ptp(x) > 0:
        generator = np.random.default_rng(SEED)
        rows = generator.multinomial(sets, np.full(sets, 1 / sets), RESAMPLES) / sets
        columns = generator.multinomial(texts, np.full(texts, 1 / texts), RESAMPLES) / texts
        low, high = np.percentile(((rows @ x) * columns).sum(1), [2.5, 97.5])
    return Estimate(value, texts, float(low), float(high))


def mean_of_pairs(values: np.ndarray) -> Estimate:
    """The mean over pairs of different prompts of symmetric float [prompts, prompts], whose entries are shares from 0
    to 1. NaN entries are pairs that do not count. n: prompts.

    Of at least 20 prompts: percentiles, prompts drawn; one that is drawn twice is no pair with itself. Of fewer:
    Student's t around the jackknife, which leaves out one prompt at a time, within 0 and 1.
    """
    x = np.asarray(values, dtype=float).copy()
    np.fill_diagonal(x, np.nan)
    counted, filled, n = np.isfinite(x), np.nan_to_num(x), len(x)
    if not counted.any():
        return Estimate(np.nan, 0, np.nan, np.nan)
    value = float(filled.sum() / counted.sum())
    if n < 3 or np.ptp(filled[counted]) == 0:
        return Estimate(value, n, np.nan, np.nan)
    if n < FEW:
        pairs, found = counted.sum() - 2 * counted.sum(1), filled.sum() - 2 * filled.sum(1)
        without = found[pairs > 0] / pairs[pairs > 0]
        error = ((len(without) - 1) * without.var()) ** 0.5
        if len(without) < 2 or error == 0:
            return Estimate(value, n, np.nan, np.nan)
        half = float(students_half(error, len(without) - 1))
        return Estimate(value, n, max(0.0, value - half), min(1.0, value + half))
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)
    pairs = ((drawn @ counted) * drawn).sum(1)
    found = ((drawn @ filled) * drawn).sum(1)[pairs > 0] / pairs[pairs > 0]
    low, high = np.percentile(found, [2.5, 97.5])
    return Estimate(value, n, float(low), float(high))
