"""Rates of labels and rows to write, against counting by hand."""

from core.answers.judge import Judgement
from core.judges.summary import LABELS, by_category, label_of, rates, rows
from core.statistics import rate

FOUND = (Judgement("refused"), Judgement("complied"), Judgement("refused"), Judgement(None, "unclear", "maybe", 0.5))


def test_a_label_is_the_classifiers_word_or_the_verdict():
    assert [label_of(one) for one in FOUND] == ["refused", "complied", "refused", "unclear"]
    assert {label_of(one) for one in FOUND} <= set(LABELS)


def test_rates_are_wilsons_of_the_counts_and_unused_labels_are_left_out():
    assert rates(FOUND) == {"unclear": rate(1, 4), "refused": rate(2, 4), "complied": rate(1, 4)}
    assert rates(()) == {}


def test_rates_by_category_leave_out_what_was_not_judged_or_has_none():
    found = (FOUND[0], FOUND[1], None, FOUND[2])
    assert by_category([["drugs"], ["drugs"], ["fraud"], []], found) == [
        ("drugs", "refused", rate(1, 2)),
        ("drugs", "complied", rate(1, 2)),
    ]
    assert by_category([[]], FOUND[:1]) == []


def test_an_answer_in_two_categories_counts_in_both():
    assert by_category([["drugs", "fraud"], ["fraud"]], FOUND[:2]) == [
        ("drugs", "refused", rate(1, 1)),
        ("fraud", "refused", rate(1, 2)),
        ("fraud", "complied", rate(1, 2)),
    ]


def test_rows_leave_out_what_was_not_judged_and_answers_that_are_not_wanted():
    pairs = [("a", "x"), ("b", "y")]
    assert list(rows(pairs, "j", "r", (None, FOUND[3]), with_answers=False)) == [
        {
            "prompt": "b",
            "judge": "j",
            "revision": "r",
            "verdict": None,
            "harmful": "unclear",
            "raw": "maybe",
            "score": 0.5,
            "categories": (),
            "reason": "",
            "looping": False,
            "delayed": False,
        }
    ]
    assert [row["answer"] for row in rows(pairs, "j", "r", FOUND[:2], with_answers=True)] == ["x", "y"]
