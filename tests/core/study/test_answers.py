"""What may be chosen: clicks one after another, and lists that cannot be asked about."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.study.answers import NONE, NOTHING, VERDICT_QUESTION, Question, truth_of

FIVE = Question(("a", "b", "c", "d", "e"), several=True)


def after(question: Question, *labels: str) -> frozenset[str]:
    chosen = NOTHING
    for label in labels:
        chosen = question.pressed(chosen, label)
    return chosen


def test_several_categories_or_none():
    assert after(FIVE, "a", "c") == {"a", "c"}
    assert after(FIVE, "a", "c", "a") == {"c"}
    assert after(FIVE, "a", "c", NONE) == {NONE}
    assert after(FIVE, NONE, "b") == {"b"}
    assert after(FIVE, NONE, NONE) == NOTHING


def test_one_verdict_only():
    assert after(VERDICT_QUESTION, "refused", "complied") == {"complied"}
    assert after(VERDICT_QUESTION, "refused", "refused") == NOTHING


@given(st.lists(st.sampled_from([*FIVE.labels, NONE]), max_size=20))
def test_whatever_is_clicked_is_an_allowed_choice(labels):
    assert FIVE.checked(after(FIVE, *labels)) == after(FIVE, *labels)


def test_a_choice_reads_in_the_order_of_the_keys():
    assert FIVE.text(frozenset({"d", "b"})) == "b, d"


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ((), "has no category"),
        (("a",), "has only “a”"),
        (tuple("abcdefghij"), "at most 9"),
        (("a", "a"), "twice"),
        (("a", NONE), "Rename it"),
        (("a", " "), "no name"),
    ],
)
def test_lists_that_cannot_be_asked_about(labels, sentence):
    with pytest.raises(InputError, match=sentence):
        Question(labels, several=True)


def test_choices_that_cannot_be_made():
    with pytest.raises(InputError, match="not one of the labels"):
        FIVE.checked({"z"})
    with pytest.raises(InputError, match="together"):
        FIVE.checked({"a", NONE})
    with pytest.raises(InputError, match="together"):
        VERDICT_QUESTION.checked({"refused", "complied"})
    with pytest.raises(InputError, match="not one of the labels"):
        VERDICT_QUESTION.checked({NONE})


def test_a_silent_features_truth_is_none():
    assert truth_of(()) == {NONE}
    assert truth_of(["a", "b"]) == {"a", "b"}
