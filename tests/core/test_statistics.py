"""Rates, paired tests and the area under the curve against numbers worked out elsewhere or by hand."""

import math

import numpy as np
import pytest

from core import statistics
from core.statistics import (
    area_interval,
    area_under_curve,
    difference,
    difference_of_means,
    holm,
    mean,
    means,
    median,
    paired,
    rate,
    ratio,
    ratio_of_totals,
)


def test_a_wilson_interval():
    found = rate(8, 10)
    z, n, p = 1.959963984540054, 10, 0.8
    middle, half = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.low == pytest.approx((middle - half) / (1 + z * z / n))
    assert found.high == pytest.approx((middle + half) / (1 + z * z / n))
    assert str(found) == "80.0% (8 of 10, 95% CI 49.0%–94.3%)" and str(rate(0, 0)) == "– (n = 0)"


def test_mcnemars_exact_test_counts_only_what_differs():
    first = np.array([1, 1, 1, 1, 1, 1, 0, 0, 1, 0], dtype=bool)
    second = np.array([0, 0, 0, 0, 0, 0, 0, 1, 1, 0], dtype=bool)
    assert paired(first, second) == (6, 1, pytest.approx(2 * (1 + 7) / 2**7))
    assert paired(first, first).p == 1.0


def test_the_area_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    score, label = rng.integers(0, 8, 60).astype(float), rng.integers(0, 2, 60)
    pairs = [(a > b) + 0.5 * (a == b) for a in score[label == 1] for b in score[label == 0]]
    assert area_under_curve(score, label) == pytest.approx(np.mean(pairs))
    assert math.isnan(area_under_curve(score, np.ones(60)))


VALUES = np.random.default_rng(4).gamma(2.0, 1.0, 40)


def test_a_mean_has_the_bca_interval_written_out():
    """Efron 1987 by hand: resamples one after the other, the bias from how many lie below, the jackknife's skewness."""
    from scipy.stats import norm

    generator, x = np.random.default_rng(statistics.SEED), VALUES
    drawn = np.array([x[row].mean() for row in generator.integers(0, len(x), (statistics.RESAMPLES, len(x)))])
    bias = norm.ppf(((drawn < x.mean()).mean() + (drawn <= x.mean()).mean()) / 2)
    left = np.array([np.delete(x, i).mean() for i in range(len(x))])
    lean = left.mean() - left
    skew = (lean**3).sum() / (6 * (lean**2).sum() ** 1.5)
    ends = [norm.cdf(bias + (bias + z) / (1 - skew * (bias + z))) for z in norm.ppf([0.025, 0.975])]
    low, high = (np.percentile(drawn, 100 * end) for end in ends)
    found = mean(x)
    assert (found.value, found.n) == (pytest.approx(x.mean()), 40)
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-3), pytest.approx(high, rel=1e-3))
    assert mean(x) == found, "the seed is fixed"


def test_the_interval_of_a_mean_covers_it_about_as_often_as_it_says():
    draws = np.random.default_rng(1).exponential(1.0, (300, 40))
    covered = np.mean([found.low <= 1.0 <= found.high for found in map(mean, draws)])
    assert 0.89 <= covered <= 0.98


@pytest.mark.parametrize("n", [2, 3, 5, 12, 19])
def test_so_does_that_of_few_prompts(n):
    """A bootstrap covers half of what it says at n = 2. Means, differences of two groups, and ratios."""
    rng = np.random.default_rng(n)
    draws = rng.normal(3.0, 1.0, (400, n))
    assert np.mean([found.low <= 3.0 <= found.high for found in map(mean, draws)]) >= 0.92
    other = rng.normal(1.0, 2.0, (400, n))
    apart = [difference_of_means(one, two) for one, two in zip(draws, other, strict=True)]
    assert np.mean([found.low <= 2.0 <= found.high for found in apart]) >= 0.92
    wholes = rng.uniform(5, 15, (400, n))
    shares = [ratio(0.3 * whole + rng.normal(0, 1, n), whole) for whole in wholes]
    assert np.mean([found.low <= 0.3 <= found.high for found in shares]) >= 0.92


def test_few_prompts_have_student_s_interval():
    from scipy.stats import ttest_1samp, ttest_ind

    x, y = VALUES[:7], VALUES[20:31]
    assert (mean(x).low, mean(x).high) == pytest.approx(tuple(ttest_1samp(x, 0).confidence_interval()))
    welch = ttest_ind(x, y, equal_var=False).confidence_interval()
    found = difference_of_means(x, y)
    assert (found.low, found.high) == pytest.approx((welch.low, welch.high))
    columns = means(np.stack([x, np.full(7, 2.0)], axis=1))
    assert columns[0] == pytest.approx(mean(x)) and math.isnan(columns[1].low)


def test_what_gives_no_interval_says_so():
    for values, value, n in (([], np.nan, 0), ([3.0], 3.0, 1), ([2.0, 2.0, 2.0], 2.0, 3), ([1.0, np.nan], 1.0, 1)):
        found = mean(values)
        assert found.n == n and math.isnan(found.low) and math.isnan(found.high)
        assert found.value == value or math.isnan(value)
    assert str(mean([3.0])) == "3 (n = 1)" and str(mean([])) == "– (n = 0)"
    assert mean([0.0, 1.0, 2.0, 4.0]).text(".1f").startswith("1.8 (95% CI ")


def test_columns_together_are_the_columns_alone():
    x = np.random.default_rng(2).normal(size=(30, 3))
    x[:, 1] = 5.0
    assert [e.value for e in means(x)] == pytest.approx([mean(c).value for c in x.T])
    assert means(x)[0] == pytest.approx(mean(x[:, 0])) and math.isnan(means(x)[1].low)


def test_a_paired_difference_is_narrower_than_one_of_two_groups():
    noise = np.random.default_rng(3).normal(size=50)
    first, second = 10 * noise + 1, 10 * noise
    second += np.random.default_rng(5).normal(0, 0.1, 50)
    found, apart = difference(first, second), difference_of_means(first, second)
    assert found.value == pytest.approx(apart.value) and found.n == 50 and apart.n == 100
    assert 0.9 < found.low < found.high < 1.1 and apart.high - apart.low > 5


def test_a_ratio_counts_prompts_by_their_marks():
    found = ratio([1, 9, 0], [1, 10, 0])
    assert found.value == pytest.approx(10 / 11) and found.n == 2 and found.low < 10 / 11 < found.high
    many = ratio(np.arange(1, 41) * 0.5, np.arange(1, 41) * 0.5 + 1)
    assert many.low < many.value < many.high < 1
    assert ratio([0], [0]).n == 0 and math.isnan(ratio([1, 2], [2, 4]).low)


@pytest.mark.parametrize("n", [12, 60])
def test_a_ratio_of_totals_is_of_every_prompt_also_where_a_whole_is_negative(n):
    rng = np.random.default_rng(n)
    whole = rng.normal(1.0, 1.2, n)
    part = 0.4 * whole + rng.normal(0, 0.2, n)
    found = ratio_of_totals(part, whole)
    assert (whole < 0).any() and found.n == n
    assert found.value == pytest.approx(part.sum() / whole.sum()) and found.low < found.value < found.high
    assert ratio(part, whole).n == (whole > 0).sum() and ratio(part, whole).value != found.value
    positive = np.abs(whole) + 0.1
    assert ratio_of_totals(part, positive) == ratio(part, positive)
    assert math.isnan(ratio_of_totals(part, -positive).value)
    near_zero = ratio_of_totals(np.ones(60), np.resize([10.0, -9.9], 60))
    assert near_zero.value > 0 and math.isnan(near_zero.low), "some draws have no total to divide by"


def test_a_median_has_the_interval_of_order_statistics():
    from scipy.stats import binom

    found = median(np.arange(20))
    assert found.value == 9.5
    covered = binom.cdf(int(found.high), 20, 0.5) - binom.cdf(int(found.low), 20, 0.5)
    assert covered >= 0.95 and math.isnan(median([1, 2, 3]).low) and median([]).n == 0


def test_holms_correction_rejects_what_the_step_down_procedure_rejects():
    p = np.array([0.011, 0.04, 0.03, 0.005, np.nan])
    found = holm(p)
    assert found[:4] == pytest.approx([0.033, 0.06, 0.06, 0.02]) and math.isnan(found[4])
    for level in np.linspace(0.001, 0.2, 200):
        rejected, order = set(), sorted(range(4), key=lambda i: p[i])
        for step, i in enumerate(order):
            if p[i] > level / (4 - step):
                break
            rejected.add(i)
        assert rejected == {i for i in range(4) if found[i] <= level}
    assert holm([0.9, 0.8]).tolist() == [1.0, 1.0] and holm([]).size == 0


def test_an_area_of_one_still_has_an_interval():
    sure = area_interval(1.0, 10, 10)
    assert sure.high == 1.0 and sure.low == pytest.approx(0.80, abs=0.01) and sure.n == 20
    none = area_interval(0.0, 10, 10)
    assert none.low == 0.0 and none.high == pytest.approx(1 - sure.low)
    assert math.isnan(area_interval(float("nan"), 10, 10).low) and area_interval(0.5, 3, 0).n == 0
    for area in (0.3, 0.7, 0.95):
        found = area_interval(area, 12, 9)
        for one in (found.low, found.high):  # the definition: the area lies 1.96 of its own standard errors away
            extra = 21 / 2 - 1
            spread = one * (1 - one) * (1 + extra * ((1 - one) / (2 - one) + one / (1 + one))) / (12 * 9)
            assert abs(area - one) == pytest.approx(1.959964 * math.sqrt(spread), rel=1e-4)
