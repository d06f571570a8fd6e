"""Agreement of several annotators: published worked examples, and slow textbook versions of the same formulas."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from core.statistics import RESAMPLES, SEED
from core.study.agreement import about_label, fleiss_kappa, krippendorff_alpha, majority, masi, same
from core.study.answers import NONE

#: Fleiss 1971, as worked through on Wikipedia (“Fleiss' kappa”): 14 raters, 10 subjects, 5 categories; κ = 0.210.
FLEISS = """
0 0 0 0 14
0 2 6 4 2
0 0 3 5 6
0 3 9 2 0
2 2 8 1 1
7 7 0 0 0
3 2 6 3 0
2 5 3 2 2
6 5 2 1 0
0 2 2 3 7
"""
#: Krippendorff 2011, example C: four observers, twelve units, some missing; nominal α = 0.743.
KRIPPENDORFF = """
1 2 3 3 2 1 4 1 2 . . .
1 2 3 3 2 2 4 1 2 5 . 3
. 3 3 3 2 3 4 2 2 5 1 .
1 2 3 3 2 4 4 1 2 5 1 .
"""


def chosen(*labels: str) -> frozenset[str]:
    return frozenset(labels)


def fleiss_example() -> list[dict[str, frozenset[str]]]:
    found = []
    for line in FLEISS.split("\n"):
        votes = [str(value) for value, count in enumerate(line.split()) for _ in range(int(count))]
        if votes:
            found.append({f"rater {n}": chosen(vote) for n, vote in enumerate(votes)})
    return found


def krippendorff_example() -> list[dict[str, frozenset[str]]]:
    lines = [line.split() for line in KRIPPENDORFF.strip().split("\n")]
    return [
        {f"observer {n}": chosen(value) for n, value in enumerate(column) if value != "."}
        for column in zip(*lines, strict=True)
    ]


def random_ratings(seed: int, items: int = 9, people: int = 3, everybody: bool = False):
    """Choices of several labels, where each annotator leaves out some items."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(items):
        item = {}
        for who in range(people):
            if everybody or generator.random() > 0.25:
                labels = [label for label in "abc" if generator.random() < 0.4] or [NONE]
                item[f"person {who}"] = chosen(*labels)
        found.append(item)
    return found


def slow_alpha(ratings, distance) -> float:
    """1 − observed / expected disagreement over pairs of ratings, pair by pair."""
    units = [list(item.values()) for item in ratings if len(item) > 1]
    everything = [value for unit in units for value in unit]
    n = len(everything)
    observed = sum(sum(distance(a, b) for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / n
    expected = sum(distance(a, b) for a, b in permutations(everything, 2)) / (n * (n - 1))
    return 1 - observed / expected if expected else float("nan")


def slow_kappa(ratings) -> float:
    """Fleiss' formula, item by item and pair by pair."""
    people = max(map(len, ratings))
    whole = [list(item.values()) for item in ratings if len(item) == people]
    agreeing = np.mean([np.mean([a == b for a, b in permutations(item, 2)]) for item in whole])
    everything = [value for item in whole for value in item]
    by_chance = sum((everything.count(value) / len(everything)) ** 2 for value in set(everything))
    return (agreeing - by_chance) / (1 - by_chance) if by_chance < 1 else float("nan")


def test_fleiss_worked_example():
    found = fleiss_kappa(fleiss_example())
    assert found.value == pytest.approx(0.210, abs=5e-4)
    assert found.n == 10
    assert found.low < found.value < found.high


def test_krippendorffs_worked_example_with_missing_ratings():
    found = krippendorff_alpha(krippendorff_example())
    assert found.value == pytest.approx(0.743, abs=5e-4)
    assert found.n == 11, "the unit that one observer rated pairs with nothing"


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("distance", [same, masi])
def test_alpha_is_the_slow_one(seed, distance):
    ratings = random_ratings(seed)
    assert krippendorff_alpha(ratings, distance).value == pytest.approx(slow_alpha(ratings, distance))


@pytest.mark.parametrize("seed", range(5))
def test_kappa_is_the_slow_one(seed):
    ratings = random_ratings(seed, everybody=True)
    assert fleiss_kappa(ratings).value == pytest.approx(slow_kappa(ratings))


def test_intervals_are_those_of_items_drawn_again():
    ratings = random_ratings(3, items=6, everybody=True)
    drawn = np.random.default_rng(SEED).multinomial(6, np.full(6, 1 / 6), RESAMPLES)
    again = [[item for item, times in zip(ratings, row, strict=True) for _ in range(times)] for row in drawn]
    for found, slow in (
        (fleiss_kappa(ratings), [slow_kappa(each) for each in again]),
        (krippendorff_alpha(ratings), [slow_alpha(each, same) for each in again]),
    ):
        assert [found.low, found.high] == pytest.approx(np.nanpercentile(slow, [2.5, 97.5]))


def test_kappa_counts_only_what_everybody_rated():
    ratings = [{"a": chosen("x"), "b": chosen("x")}, {"a": chosen("y"), "b": chosen("y")}, {"a": chosen("x")}]
    assert fleiss_kappa(ratings) == fleiss_kappa(ratings[:2])
    assert fleiss_kappa(ratings).n == 2


def test_where_nothing_can_be_said():
    alone = [{"a": chosen("x")}, {"a": chosen("y")}]
    alike = [{"a": chosen("x"), "b": chosen("x")}] * 4
    for ratings in ([], alone, alike):
        assert np.isnan(fleiss_kappa(ratings).value)
        assert np.isnan(krippendorff_alpha(ratings).value)


def test_the_papers_majority_is_two_of_three():
    assert majority([chosen("a", "b"), chosen("a"), chosen("c")]) == {"a"}
    assert majority([chosen("a", "b"), chosen("a", "b"), chosen(NONE)]) == {"a", "b"}
    assert majority([chosen("a"), chosen("b"), chosen(NONE)]) == frozenset()
    assert majority([chosen("a"), chosen("b")]) == frozenset(), "one of two is no majority"
    assert majority([chosen(NONE)]) == {NONE}
    assert majority([]) == frozenset()


def test_masi_by_hand():
    """Passonneau 2006: monotonicity is 1 for the same, 2/3 for a subset, 1/3 for an overlap, 0 for nothing shared."""
    assert masi(chosen("a"), chosen("a")) == 0
    assert masi(chosen("a"), chosen("a", "b")) == pytest.approx(1 - 1 / 2 * 2 / 3)
    assert masi(chosen("a", "b"), chosen("b", "c")) == pytest.approx(1 - 1 / 3 * 1 / 3)
    assert masi(chosen("a"), chosen(NONE)) == 1


def test_choices_with_something_in_common_agree_more_under_masi():
    ratings = [
        {"a": chosen("x", "y"), "b": chosen("x")},
        {"a": chosen("z"), "b": chosen("z")},
        {"a": chosen("w"), "b": chosen("w", "z")},
    ]
    assert krippendorff_alpha(ratings, masi).value > krippendorff_alpha(ratings, same).value


def test_one_label_is_a_question_of_its_own():
    ratings = [{"a": chosen("x", "y"), "b": chosen("x")}, {"a": chosen("y"), "b": chosen("z")}]
    assert krippendorff_alpha(about_label(ratings, "x")).value == 1, "both chose x on the first item only"
    assert krippendorff_alpha(about_label(ratings, "y")).value < 1
