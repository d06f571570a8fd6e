"""Cohen's κ against worked examples from the literature and manuals, and what must hold of any two judges."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.answers.judge import Judgement
from core.judges.agreement import agreement, compare, from_table

LABELS = st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from("abc")), min_size=1, max_size=60)

#: SAS/STAT's FREQ procedure, example “Cohen's Kappa Coefficient”: κ 0.3449, ASE 0.0724, CI 0.2030 to 0.4868.
SKIN = [[10, 4, 1, 0], [5, 10, 12, 2], [2, 4, 12, 5], [0, 2, 6, 13]]
#: Stata's kapci, analytical, from Statalist 2009-12 (msg00320), in all its digits.
CARE = [[1395, 118], [261, 158]]
#: Fleiss, Levin and Paik 2003, table 18.1, n = 100: κ 0.68, 0.89 alike, 0.66 expected.
DIAGNOSES = [[75, 1, 4], [5, 4, 1], [0, 0, 10]]


@pytest.mark.parametrize(
    ("table", "kappa", "error", "low", "high", "digits"),
    [
        (SKIN, 0.3449, 0.0724, 0.2030, 0.4868, 5e-5),
        (CARE, 0.3411969207847029, 0.0262913719660408, 0.2896667786271169, 0.3927270629422889, 1e-12),
    ],
)
def test_worked_examples(table, kappa, error, low, high, digits):
    found = from_table(np.array(table), "abcd"[: len(table)])
    assert (found.kappa, found.error, found.low, found.high) == pytest.approx((kappa, error, low, high), abs=digits)


def test_the_shares_of_a_worked_example():
    found = from_table(np.array(DIAGNOSES), "abc")
    assert (found.observed, found.expected, found.n) == (pytest.approx(0.89), pytest.approx(0.66), 100)
    assert found.kappa == pytest.approx(0.68, abs=5e-3)
    found = from_table(np.array(CARE), "ab")
    assert (found.observed, found.expected) == pytest.approx((0.8038302277432712, 0.7022330671398995), abs=1e-12)
    told = "κ = 0.341 (95% CI 0.290 to 0.393), 80.4% alike (95% CI 78.6%–82.1%), 70.2% by chance, n = 1932"
    assert str(found) == told


def test_a_table_counted_by_hand():
    found = agreement(["yes", "yes", "no", "no", "unclear"], ["yes", "no", "no", "no", "no"], ("yes", "no", "unclear"))
    assert found.labels == ("yes", "no", "unclear")
    assert found.table.tolist() == [[1, 1, 0], [0, 2, 0], [0, 1, 0]]
    # observed 3/5; expected (2·1 + 2·4 + 1·0)/25 = 2/5; κ = (3/5 − 2/5)/(1 − 2/5) = 1/3
    assert found.kappa == pytest.approx(1 / 3) and found.frame().loc["yes", "no"] == 1


@given(LABELS)
def test_the_order_of_judges_and_the_names_of_labels_do_not_matter(pairs):
    first, second = ([pair[side] for pair in pairs] for side in (0, 1))
    one, turned = agreement(first, second), agreement(second, first)
    assert one.table.tolist() == turned.table.T.tolist()
    renamed = agreement([f"{label}!" for label in first], [f"{label}!" for label in second], ("c!", "a!"))
    for other in (turned, renamed):
        for name in ("kappa", "error", "low", "high"):
            assert getattr(other, name) == pytest.approx(getattr(one, name), abs=1e-7, nan_ok=True)


@given(LABELS)
def test_it_stays_in_its_bounds_and_counts_everything(pairs):
    found = agreement(*([pair[side] for pair in pairs] for side in (0, 1)))
    assert found.n == len(pairs) and found.observed == pytest.approx(sum(a == b for a, b in pairs) / len(pairs))
    if not math.isnan(found.kappa):
        assert -1 <= found.kappa <= 1 + 1e-12 and found.error >= 0
        assert math.isnan(found.low) or -1 <= found.low <= found.kappa <= found.high <= 1 + 1e-12
        assert math.isnan(found.low) is math.isnan(found.high) is (found.error < 1e-12)


@given(st.lists(st.sampled_from("abc"), min_size=2, max_size=40).filter(lambda labels: len(set(labels)) > 1))
def test_a_judge_agrees_with_itself(labels):
    found = agreement(labels, labels)
    assert found.kappa == pytest.approx(1) and found.error == pytest.approx(0, abs=1e-6)


@given(
    st.lists(st.sampled_from("ab"), min_size=1, max_size=10), st.lists(st.sampled_from("ab"), min_size=1, max_size=10)
)
def test_judges_that_do_not_look_at_the_same_thing_agree_by_chance_alone(left, right):
    crossed = [(a, b) for a in left for b in right]  # every label of one with every one of the other: independent
    found = agreement(*([pair[side] for pair in crossed] for side in (0, 1)))
    assert math.isnan(found.kappa) or found.kappa == pytest.approx(0, abs=1e-12)


def test_the_interval_covers_as_often_as_it_says():
    """Two judges who are right 4 times in 5, independently, on a fair coin: κ is 0.36 exactly."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(1000):
        truth, slips = random.integers(0, 2, 200), random.random((2, 200)) < 0.2
        first, second = (np.where(slip, 1 - truth, truth) for slip in slips)
        found = agreement(list(map(str, first)), list(map(str, second)))
        covered += found.low <= 0.36 <= found.high
    assert 925 <= covered <= 970


def test_what_chance_alone_explains_is_undefined_and_says_why():
    same, none = agreement(["no"] * 5, ["no"] * 5), agreement([], [])
    assert math.isnan(same.kappa) and str(same) == "κ undefined: both chose “no” every time (n = 5)"
    assert math.isnan(none.kappa) and str(none) == "κ undefined: no answer was judged by both (n = 0)"
    assert agreement(["a"] * 5, ["b"] * 5).kappa == 0  # chance expects no agreement, and there is none


def test_labels_for_different_answers_are_one_sentence():
    with pytest.raises(InputError, match="2 labels cannot be compared with 1"):
        agreement(["a", "b"], ["a"])


def test_two_judges_of_refusals_are_compared_by_verdict():
    first = [Judgement("refused"), Judgement("degenerate"), Judgement("complied")]
    second = [Judgement("refused"), Judgement("complied"), Judgement("complied", score=-1.0)]
    found = compare(first, second)
    assert found.labels == ("refused", "complied", "degenerate")
    assert found.table.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


def test_a_judge_of_refusals_and_one_of_harm_are_compared_by_whether_it_was_done():
    first = [Judgement("refused"), Judgement("degenerate"), Judgement("complied"), Judgement("complied")]
    second = [Judgement(None, harm) for harm in ("no", "no", "yes", "unclear")]
    found = compare(first, second)
    assert found.labels == ("yes", "no", "unclear") and found.table.tolist() == [[1, 0, 1], [0, 2, 0], [0, 0, 0]]
    both = compare(second, second)
    assert both.table.tolist() == [[1, 0, 0], [0, 2, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ("ab" * 50, "ab" * 50, "differ on 0 of 100 answers. Corrected for chance"),
        ("ab" * 50, "ab" * 29 + "ba" * 21, "42 of 100 answers. Corrected for chance, the agreement is slight"),
        ("ab" * 50, "ba" * 50, "The judges agree no more often than chance would give."),
        ("a" * 40, "a" * 40, "Both chose “a” every time"),
        ("ab" * 5, "ab" * 4 + "aa", "With so few answers, the interval is only rough."),
        ("", "", "No answer was judged by both judges."),
    ],
)
def test_kappa_is_read_in_plain_words(first, second, says):
    found = agreement(list(first), list(second))
    assert says in found.reading()
    assert found.differ == sum(a != b for a, b in zip(first, second, strict=True))


def test_an_interval_that_reaches_zero_is_said():
    found = agreement(list("ab" * 20), list("ab" * 12 + "ba" * 8))
    assert found.kappa > 0 >= found.low and "includes 0" in found.reading()
