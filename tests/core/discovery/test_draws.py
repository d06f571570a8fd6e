"""Intervals over prompts and draws, and the exact test, against enumeration and simulation."""

from itertools import product

import numpy as np
import pytest

from core.discovery.tables.draws import exchangeable, over_draws, set_less_draws
from core.statistics import rate


def by_enumeration(of_set, draws):
    """Every way to call one of each prompt's outcomes the set's: the two-sided p by counting."""
    outcomes = np.column_stack([of_set, draws])
    sums = np.array(
        [
            sum(row[i] for row, i in zip(outcomes, pick, strict=True))
            for pick in product(range(outcomes.shape[1]), repeat=len(outcomes))
        ]
    )
    seen = of_set.sum()
    return min(1.0, 2 * min((sums >= seen).mean(), (sums <= seen).mean()))


@pytest.mark.parametrize("seed", range(5))
def test_p_is_what_counting_every_assignment_gives(seed):
    rng = np.random.default_rng(seed)
    of_set, draws = rng.random(5) < 0.7, rng.random((5, 3)) < 0.3
    assert exchangeable(of_set, draws) == pytest.approx(by_enumeration(of_set, draws))


def test_a_set_that_always_flips_beside_draws_that_never_do():
    assert exchangeable(np.ones(4, bool), np.zeros((4, 5), bool)) == pytest.approx(2 / 6**4)
    assert np.isnan(exchangeable(np.zeros(0, bool), np.zeros((0, 5), bool)))


def test_where_no_draw_flips_the_interval_is_wilsons_with_the_prompts_as_n():
    found, wilson = over_draws(np.zeros((20, 5), bool)), rate(0, 20)
    assert (found.value, found.low, found.high) == (0.0, wilson.low, wilson.high)
    less = set_less_draws(np.ones(20, bool), np.zeros((20, 5), bool))
    assert less.value == 1.0 and 0.6 < less.low < 0.9 and less.high == pytest.approx(1.0)


def test_draws_of_one_prompt_are_no_independent_prompts():
    """Prompts that always or never flip: five draws each tell nothing more, and the interval must stay wide."""
    clustered = np.repeat(np.arange(20) < 10, 5).reshape(20, 5)
    mixed = np.indices((20, 5)).sum(0) % 2 == 0
    wide, narrow = over_draws(clustered), over_draws(mixed)
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    wilson = rate(10, 20)
    assert wide.high - wide.low == pytest.approx(wilson.high - wilson.low, rel=0.15)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    rng, covered = np.random.default_rng(0), []
    for _ in range(60):
        p = rng.beta(1, 2, 40)
        found = over_draws(rng.random((40, 5)) < p[:, None])
        covered.append(found.low <= 1 / 3 <= found.high)
    assert np.mean(covered) > 0.85


@pytest.mark.parametrize("n", [3, 5, 12])
def test_so_does_that_of_few_prompts(n):
    rng, covered, less = np.random.default_rng(n), [], []
    for _ in range(300):
        p = rng.beta(2, 3, n)
        draws, of_set = rng.random((n, 5)) < p[:, None], rng.random(n) < 0.4
        one, two = over_draws(draws), set_less_draws(of_set, draws)
        covered.append(one.low <= 0.4 <= one.high)
        less.append(two.low <= 0.0 <= two.high)
        assert -1 <= two.low <= two.value <= two.high <= 1 and 0 <= one.low <= one.value <= one.high <= 1
    assert np.mean(covered) > 0.9 and np.mean(less) > 0.9


def test_a_pair_stays_together():
    """Where set and draws flip on nearly the same prompts, the difference varies less than either."""
    flips = np.arange(30) < 15
    draws = np.repeat(flips, 5).reshape(30, 5)
    draws[0, :3] = False
    found, of_draws = set_less_draws(flips, draws), over_draws(draws)
    assert found.value == pytest.approx(3 / 150) and found.high - found.low < 0.3 * (of_draws.high - of_draws.low)
    same = set_less_draws(flips, np.repeat(flips, 5).reshape(30, 5))
    assert same.value == 0 and same.low < -0.1 and same.high > 0.1  # no spread is no certainty
