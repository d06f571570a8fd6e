"""Means over pairs: the slow way, and intervals that cover the truth about as often as they say."""

import math

import numpy as np
import pytest

from core import statistics
from core.crossed_means import mean_of_pairs, mean_over_both
from core.statistics import mean


def test_two_way_means_are_wider_than_if_the_sets_were_given():
    generator = np.random.default_rng(6)
    x = generator.normal(0, 1, (24, 1)) + generator.normal(0, 0.1, (1, 60))
    both, texts = mean_over_both(x), mean(x.mean(0))
    assert both.value == pytest.approx(x.mean()) and both.n == 60
    assert both.high - both.low > 5 * (texts.high - texts.low)
    assert mean_over_both(x[:1]) == mean(x[0])
    assert mean_over_both(np.where(x > x.max() - 1e-9, np.nan, x)).n == 59


def test_a_mean_over_pairs_by_the_slow_way():
    generator = np.random.default_rng(7)
    x = generator.random((24, 24))
    x = (x + x.T) / 2
    value = np.mean([x[i, j] for i in range(24) for j in range(24) if i != j])
    drawn = np.random.default_rng(statistics.SEED).multinomial(24, np.full(24, 1 / 24), statistics.RESAMPLES)
    slow = []
    for counts in drawn:
        chosen = np.repeat(np.arange(24), counts)
        slow.append(np.mean([x[a, b] for a in chosen for b in chosen if a != b]))
    found = mean_of_pairs(x)
    assert found.value == pytest.approx(value) and found.n == 24
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(slow, [2.5, 97.5])))
    assert math.isnan(mean_of_pairs(np.full((4, 4), 0.5)).low) and mean_of_pairs(np.full((1, 1), np.nan)).n == 0


@pytest.mark.parametrize(("sets", "texts"), [(2, 3), (3, 40), (5, 40), (12, 12), (40, 40)])
def test_the_interval_over_both_covers_the_mean_about_as_often_as_it_says(sets, texts):
    """A bootstrap of 2 sets and 3 texts covers it in 75 of 100 cases, of 3 and 40 in 82."""
    rng, covered = np.random.default_rng(sets), []
    for _ in range(300):
        parts = rng.normal(0, 0.3, (sets, 1)), rng.normal(0, 0.5, (1, texts)), rng.normal(0, 0.1, (sets, texts))
        found = mean_over_both(sum(parts))
        covered.append(found.low <= 0 <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.99


def test_sets_that_are_equal_tell_no_more_than_one():
    x = np.random.default_rng(0).normal(size=(1, 7)).repeat(3, axis=0)
    found, alone = mean_over_both(x), mean(x[0])
    assert (found.low, found.high) == pytest.approx((alone.low, alone.high)) and found.n == 7
    assert math.isnan(mean_over_both(np.ones((3, 7))).low)


@pytest.mark.parametrize("n", [4, 6, 12, 19, 30])
def test_the_interval_over_pairs_covers_the_mean_about_as_often_as_it_says(n):
    rng, covered = np.random.default_rng(n), []
    for _ in range(300):
        each = rng.uniform(0.2, 0.8, n)
        found = mean_of_pairs((each[:, None] + each) / 2)
        covered.append(found.low <= 0.5 <= found.high)
    assert 0.9 <= np.mean(covered) <= 0.995


def test_of_few_prompts_the_jackknife_leaves_each_out():
    x = np.random.default_rng(3).random((6, 6))
    x = (x + x.T) / 2
    x[0, 1] = x[1, 0] = np.nan
    without = [mean_of_pairs(np.delete(np.delete(x, i, 0), i, 1)).value for i in range(6)]
    error = (5 / 6 * ((np.array(without) - np.mean(without)) ** 2).sum()) ** 0.5
    found = mean_of_pairs(x)
    assert found.high - found.value == pytest.approx(statistics.students_half(error, 5))
    rare = np.zeros((6, 6))
    rare[0, 1] = rare[1, 0] = 1.0
    found = mean_of_pairs(rare)
    assert found.low == 0.0 < found.value < found.high < 1 and found.value == pytest.approx(1 / 15)
