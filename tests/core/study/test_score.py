"""Scores by hand, and guessing beside every shuffle there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from core.statistics import mean, rate
from core.study.answers import NONE
from core.study.score import credit, guessing, jaccard, scores

A, B, AB, ABC, NO = (frozenset(labels) for labels in ("a", "b", "ab", "abc", [NONE]))


def test_the_papers_score_by_hand():
    """“contain all those labels for a score of 1 … otherwise we penalize an equal fraction of each missing label”."""
    assert credit(ABC, AB) == 1, "a label too many costs nothing"
    assert credit(A, AB) == 1 / 2
    assert credit(A, ABC) == pytest.approx(1 / 3)
    assert credit(NO, ABC) == 0
    assert credit(NO, NO) == 1
    assert credit(A, NO) == 0
    assert credit(frozenset(), A) == 0, "no majority"


def test_the_stricter_score_counts_wrong_labels():
    assert jaccard(ABC, AB) == pytest.approx(2 / 3)
    assert jaccard(A, AB) == 1 / 2
    assert jaccard(NO, NO) == 1


def test_scores_over_items():
    found = scores([A, ABC, NO, B], [A, AB, NO, A])
    assert found.credit.value == pytest.approx((1 + 1 + 1 + 0) / 4)
    assert found.jaccard.value == pytest.approx((1 + 2 / 3 + 1 + 0) / 4)
    assert (found.exact.hits, found.exact.n) == (2, 4)
    assert found.credit.low < found.credit.value < found.credit.high


def test_a_score_of_hits_and_misses_is_a_rate_with_its_interval():
    one = scores([A, B, B, NO], [A, A, B, NO])
    assert one.credit[1:] == one.jaccard[1:] == one.exact[1:2] + one.exact[3:] and one.credit.value == one.exact.rate
    more = scores([A, ABC, NO], [A, AB, NO])
    assert more.credit[2:] == rate(3, 3)[3:] and more.jaccard == mean([1, 2 / 3, 1])
    assert scores([], []).credit.n == 0


def test_guessing_is_the_mean_of_every_shuffle():
    chosen, truths = [A, AB, NO, B, ABC], [B, A, NO, ABC, AB]
    every = [np.mean([credit(c, t) for c, t in zip(dealt, truths, strict=True)]) for dealt in permutations(chosen)]
    found = guessing(chosen, truths)
    assert found.mean == pytest.approx(np.mean(every))
    observed = np.mean([credit(c, t) for c, t in zip(chosen, truths, strict=True)])
    assert found.p == pytest.approx(np.mean(np.array(every) >= observed - 1e-12), abs=0.02)
    assert [found.low, found.high] == pytest.approx(np.percentile(every, [2.5, 97.5]), abs=0.05)


def test_shuffled_categories_fall_to_chance():
    generator = np.random.default_rng(0)
    truths = [(A, B, AB, NO)[i] for i in generator.integers(0, 4, 60)]
    right = guessing(truths, truths)
    assert right.p < 0.001 and scores(truths, truths).credit.value == 1
    tries = [[truths[i] for i in generator.permutation(60)] for _ in range(20)]
    found = [guessing(shuffled, truths) for shuffled in tries]
    ours = [scores(shuffled, truths).credit.value for shuffled in tries]
    assert np.mean(ours) == pytest.approx(right.mean, abs=0.03)
    assert sum(one.p < 0.05 for one in found) <= 3


def test_the_same_choice_everywhere_is_no_better_than_guessing():
    truths = [A, B, NO, AB]
    found = guessing([AB] * 4, truths)
    assert found.mean == found.low == found.high == scores([AB] * 4, truths).credit.value
    assert found.p == 1


def test_no_items():
    found = guessing([], [])
    assert found.n == 0 and np.isnan(found.mean) and scores([], []).credit.n == 0
