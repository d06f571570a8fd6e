"""Several rankings made one, and how alike they are, against counting by hand."""

import numpy as np
import pytest

from core import Feature
from core.discovery.consensus import mean_rank, overlap_by_chance, top_overlaps

A, B, C, D = (Feature(1, i) for i in range(4))


def test_one_ranking_is_its_own_consensus():
    assert mean_rank([[C, A, B]]) == [C, A, B] and mean_rank([]) == []


def test_features_are_in_the_order_of_their_mean_rank():
    # ranks: A 0, 2 → 1; B 1, 0 → 0.5; C 2, 1 → 1.5; ties by layer and index
    assert mean_rank([[A, B, C], [B, C, A]]) == [B, A, C]
    assert mean_rank([[A, B], [B, A]]) == [A, B]


def test_a_feature_that_a_ranking_lacks_stands_behind_its_last():
    # C: 0 and 2 (not there) → 1; A: 1 and 0 → 0.5; D: 2 and 2 → 2; B: 3 (not there) and 1 → 2
    assert mean_rank([[C, A, D], [A, B]]) == [A, C, B, D]
    assert mean_rank([[C, A, D], [A, B]], 2) == [A, C]


def test_overlaps_are_over_all_pairs():
    assert top_overlaps([[A, B, C], [B, A, D], [C, D, A]], top=2).tolist() == [1.0, 0.0, 0.0]
    assert top_overlaps([[A, B], [A]]).tolist() == [1.0] and top_overlaps([[A], []]).tolist() == []


def test_chance_is_what_random_rankings_have():
    rng = np.random.default_rng(0)
    every = [Feature(1, i) for i in range(60)]
    rankings = [[every[i] for i in rng.permutation(60)] for _ in range(40)]
    assert top_overlaps(rankings, 10).mean() == pytest.approx(overlap_by_chance(60, 10), abs=0.02)
