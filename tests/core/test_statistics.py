"""Rates, paired tests and the area under the curve against numbers worked out elsewhere or by hand."""

import math

import numpy as np
import pytest

from core.statistics import area_under_curve, paired, rate


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
