"""Numbers with their intervals: rates, means, medians, areas under the curve; paired tests, and many tests at once.

Knows: counts, values and scores, one a prompt. Does not know: what was counted or measured.

Every interval is a 95% one, and n stands with it. Rates have Wilson's. Means have the bias-corrected and accelerated
bootstrap (BCa; Efron 1987) over prompts, `RESAMPLES` resamples drawn with seed `SEED`; of fewer than `FEW` prompts,
where a bootstrap is far too narrow (it covers 52% at n = 2 and 84% at 5), Student's t, and for two groups Welch's. A
paired comparison is the mean of the differences. Medians have the exact interval of order statistics. Areas under the
curve have Newcombe's score interval (2006, method 5), because a bootstrap of an area of 1 has no width. Formulas are
scipy's where scipy has them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy  # loads its parts when they are used: scipy.stats alone would delay the first page by a second

RESAMPLES, SEED, FEW = 2000, 0, 20
#: How the intervals of a report were made, for its facts.
HOW = (
    f"95%; rates: Wilson; means: BCa bootstrap over prompts, {RESAMPLES:,} resamples, seed {SEED}, of fewer than {FEW} "
    "prompts Student's t; ratios: percentile bootstrap, or the same; medians: order statistics; areas under the curve: "
    "Newcombe's method 5"
)


class Rate(NamedTuple):
    """`hits` of `n` with the 95% Wilson interval; all NaN for n = 0."""

    hits: int
    n: int
    rate: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.rate:.1%} ({self.hits} of {self.n}, 95% CI {self.low:.1%}–{self.high:.1%})"
            if self.n
            else "– (n = 0)"
        )


def rate(hits: int, n: int) -> Rate:
    """A share with its 95% Wilson interval."""
    if n == 0:
        return Rate(0, 0, np.nan, np.nan, np.nan)
    low, high = scipy.stats.binomtest(hits, n).proportion_ci(method="wilson")
    return Rate(hits, n, hits / n, float(low), float(high))


class Estimate(NamedTuple):
    """A number from `n` values with its 95% interval; NaN at both ends where the values cannot give one: fewer than
    two, or all the same."""

    value: float
    n: int
    low: float
    high: float

    def __str__(self) -> str:
        return self.text(".3g")

    def text(self, form: str) -> str:
        """In words, its numbers written by `form`, as in “0.038 (95% CI 0.021 to 0.062, n = 32)”."""
        if not self.n:
            return "– (n = 0)"
        if np.isnan(self.low):
            return f"{self.value:{form}} (n = {self.n})"
        return f"{self.value:{form}} (95% CI {self.low:{form}} to {self.high:{form}}, n = {self.n})"


def mean(values: Sequence[float] | np.ndarray) -> Estimate:
    """The mean over prompts; values that are not finite are left out."""
    x = np.asarray(values, dtype=float).reshape(-1)
    x = x[np.isfinite(x)]
    if not len(x):
        return Estimate(np.nan, 0, np.nan, np.nan)
    (low,), (high,) = _mean_interval(x[:, None])
    return Estimate(float(x.mean()), len(x), low, high)


def means(values: np.ndarray) -> list[Estimate]:
    """The mean of every column of float [prompts, columns], the same prompts drawn for all columns."""
    x = np.asarray(values, dtype=float)
    if not np.isfinite(x).all():  # columns of different lengths cannot be drawn together
        return [mean(column) for column in x.T]
    low, high = _mean_interval(x)
    return [Estimate(float(m), len(x), float(a), float(b)) for m, a, b in zip(x.mean(0), low, high, strict=True)]


def difference(first: np.ndarray, second: np.ndarray) -> Estimate:
    """The mean of first − second, prompt by prompt: float [prompts] under two conditions each."""
    return mean(np.asarray(first, dtype=float) - np.asarray(second, dtype=float))


def _mean_interval(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(low, high), float [columns], of the column means of finite float [prompts, columns]."""
    low, high = np.full((2, x.shape[1]), np.nan)
    spread = np.ptp(x, axis=0) > 0 if len(x) > 1 else np.zeros(x.shape[1], dtype=bool)
    if len(x) < FEW:
        half = (
            students_half(np.where(spread, x.std(0, ddof=1) / len(x) ** 0.5, np.nan), len(x) - 1)
            if spread.any()
            else low
        )
        return x.mean(0) - half, x.mean(0) + half
    if spread.any():
        with warnings.catch_warnings():  # two values have too few resamples for the correction; NaN says so
            warnings.simplefilter("ignore")
            found = scipy.stats.bootstrap(
                (x[:, spread],),
                np.mean,
                axis=0,
                n_resamples=RESAMPLES,
                batch=max(1, 4_000_000 // x.size),
                vectorized=True,
                method="BCa",
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        low[spread], high[spread] = found.low, found.high
    return low, high


def students_half(error: Any, freedom: float) -> Any:
    """Half the width of a 95% interval of Student's t. error: the standard error; freedom: its degrees of freedom."""
    return scipy.stats.t.ppf(0.975, freedom) * error


def difference_of_means(first: Sequence[float] | np.ndarray, second: Sequence[float] | np.ndarray) -> Estimate:
    """mean(first) − mean(second) of two groups of different prompts, each drawn for itself. n: prompts of both."""
    a, b = (x[np.isfinite(x)] for x in (np.asarray(first, dtype=float), np.asarray(second, dtype=float)))
    if not len(a) or not len(b):
        return Estimate(np.nan, 0, np.nan, np.nan)
    value, low, high = float(a.mean() - b.mean()), np.nan, np.nan
    spread = min(len(a), len(b)) > 1 and (np.ptp(a) > 0 or np.ptp(b) > 0)
    if spread and min(len(a), len(b)) < FEW:
        parts = a.var(ddof=1) / len(a), b.var(ddof=1) / len(b)
        freedom = sum(parts) ** 2 / sum(part**2 / (len(x) - 1) for part, x in zip(parts, (a, b), strict=True))
        half = students_half(sum(parts) ** 0.5, freedom)
        low, high = value - half, value + half
    elif spread:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = scipy.stats.bootstrap(
                (a, b),
                lambda x, y, axis: x.mean(axis) - y.mean(axis),
                n_resamples=RESAMPLES,
                vectorized=True,
                method="BCa",
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        low, high = float(found.low), float(found.high)
    return Estimate(value, len(a) + len(b), low, high)


def ratio(part: Sequence[float] | np.ndarray, whole: Sequence[float] | np.ndarray) -> Estimate:
    """Σ part / Σ whole over prompts that have some of each, as the marks at BOS of all marks: prompts are drawn, and a
    prompt with many counts for many. n: prompts with a whole above 0.
    """
    a, b = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    return ratio_of_totals(a[b > 0], b[b > 0])


def ratio_of_totals(part: Sequence[float] | np.ndarray, whole: Sequence[float] | np.ndarray) -> Estimate:
    """The same over all prompts, those too whose whole is 0 or negative, such as a loss that an edit was to raise. NaN
    where the total whole is not above 0; no interval where it is not in each of the draws.
    """
    a, b = np.asarray(part, dtype=float), np.asarray(whole, dtype=float)
    if not b.sum() > 0:
        return Estimate(np.nan, len(b), np.nan, np.nan)
    value, low, high = float(a.sum() / b.sum()), np.nan, np.nan
    varies = len(b) > 1 and np.ptp(a - value * b) > 1e-12 * np.abs(a).max()
    if varies and len(b) < FEW:  # linearised around the ratio
        half = students_half((a - value * b).std(ddof=1) / b.mean() / len(b) ** 0.5, len(b) - 1)
        low, high = value - half, value + half
    elif varies:
        drawn = np.random.default_rng(SEED).multinomial(len(b), np.full(len(b), 1 / len(b)), RESAMPLES)
        if (drawn @ b).min() > 0:
            low, high = np.percentile((drawn @ a) / (drawn @ b), [2.5, 97.5])
    return Estimate(value, len(b), float(low), float(high))


def median(values: Sequence[float] | np.ndarray) -> Estimate:
    """The median with the exact interval of order statistics; NaN at its ends below six values."""
    x = np.asarray(values, dtype=float).reshape(-1)
    x = x[np.isfinite(x)]
    if not len(x):
        return Estimate(np.nan, 0, np.nan, np.nan)
    found = scipy.stats.quantile_test(x, q=float(np.median(x)), p=0.5).confidence_interval(0.95)
    return Estimate(float(np.median(x)), len(x), float(found.low), float(found.high))


class Paired(NamedTuple):
    """The same prompts under two conditions: how many only the one flips, only the other; McNemar's exact p."""

    only_first: int
    only_second: int
    p: float


def paired(first: np.ndarray, second: np.ndarray) -> Paired:
    """McNemar's exact test of two bool [n] outcomes, two-sided; p = 1 where they never differ."""
    first, second = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    b, c = int((first & ~second).sum()), int((~first & second).sum())
    return Paired(b, c, float(scipy.stats.binomtest(b, b + c).pvalue) if b + c else 1.0)


class Family(NamedTuple):
    """Tests that answer one question together. tests: which ones, in words; their p are corrected for each other."""

    name: str
    tests: str


#: The families of tests there are.
CONTROLS = Family("controls", "the sets fixed beforehand against each control")
MACHINE_AGAINST_PROBE = Family("machine against probe", "one test for every K")
CLAMPS = Family("clamps", "one evaluation and one verdict: every value in every group against no clamp")
HEADS = Family("cut the heads", "each rule against its random control")


def holm(p: Sequence[float] | np.ndarray) -> np.ndarray:
    """float [tests]: the p-values of one family corrected by Holm 1979 (Scand. J. Statist. 6, 65–70); NaN stays NaN and
    does not count. scipy has the false discovery rate only.
    """
    raw = np.asarray(p, dtype=float)
    found, tests = np.full(raw.shape, np.nan), np.flatnonzero(np.isfinite(raw))
    order = tests[np.argsort(raw[tests], kind="stable")]
    steps = raw[order] * np.arange(len(order), 0, -1)
    found[order] = np.minimum(1.0, np.maximum.accumulate(steps)) if len(order) else steps
    return found


def area_under_curve(score: np.ndarray, label: np.ndarray) -> float:
    """Share of (harmful, benign) pairs that the score puts in order, ties counting half; NaN with one label only."""
    positive = np.asarray(label) > 0
    n, m = int(positive.sum()), int((~positive).sum())
    if n == 0 or m == 0:
        return float("nan")
    return float((scipy.stats.rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))


def area_interval(area: float, positive: int, negative: int) -> Estimate:
    """An area under the curve with its score interval (Newcombe 2006, Statist. Med. 25, 559–573, method 5): the areas
    whose own standard error puts the one found within 1.96 of them. n: prompts of both labels.
    """
    n = positive + negative
    if area is None or np.isnan(area) or positive == 0 or negative == 0:
        return Estimate(np.nan, 0, np.nan, np.nan)
    z, extra = float(scipy.stats.norm.ppf(0.975)), n / 2 - 1

    def beyond(one: float) -> float:
        spread = one * (1 - one) * (1 + extra * ((1 - one) / (2 - one) + one / (1 + one))) / (positive * negative)
        return (area - one) ** 2 - z * z * spread

    low = 0.0 if area == 0 else scipy.optimize.brentq(beyond, 0.0, area - 1e-12 if area == 1 else area)
    high = 1.0 if area == 1 else scipy.optimize.brentq(beyond, area + 1e-12 if area == 0 else area, 1.0)
    return Estimate(float(area), n, float(low), float(high))
