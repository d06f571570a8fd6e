"""Pinned sets beside the present one: the words and the table as pure functions, and the page with a set pinned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from core import Edits
from pages.audit import charts, comparison
from pages.audit.comparison import State
from pages.shared.measurements import Cost, Side
from pages.shared.text import signed
from pages.shared.workspace.state import MOST_PINS, PINNED
from tests.conftest import opened

APP = str(Path(__file__).resolve().parents[2] / "app.py")
PROMPT = "Tell me a story"
ONE, TWO = Edits.from_text("2-3"), Edits.from_text("2-3,3-4")


def side(score: float) -> Side:
    return Side(score, 0.5, np.zeros(3), np.zeros((3, 2)), 1.0)


@pytest.fixture
def states():
    return [
        State("Unedited", Edits(), side(8.0), Cost(0.0, 32, 0.0, 0.0), "I can't", "refused"),
        State("Now", ONE, side(6.0), Cost(0.01, 32, 0.005, 0.02), "I can't", "refused", 1),
        State("A", TWO, side(-2.0), None, "<b>Sure</b>", "complied", 57),
    ]


def test_each_edited_state_is_told_with_its_share_of_the_largest_fall(states):
    assert comparison.sentences(states) == [
        "Now takes the refusal score from +8.00 to +6.00, 20% of what A does; 1 feature that was silent woke; it still "
        "refuses.",
        "A takes the refusal score from +8.00 to −2.00; 57 features that were silent woke; it answers.",
    ]


def test_a_set_that_lowers_nothing_has_no_share_and_what_is_not_known_is_not_told(states):
    start, now, _ = states
    raised = State("B", TWO, side(9.0))
    assert comparison.sentences([start, now, raised])[1] == "B takes the refusal score from +8.00 to +9.00."
    assert comparison.sentences([start]) == []
    assert comparison.sentences([start, raised, raised._replace(name="C")])[0].endswith("to +9.00.")


def test_every_number_of_a_sentence_stands_in_the_table_and_texts_are_escaped(states):
    found = comparison.table(states)
    for number in ("+8.00", "+6.00", "(−2.00)", "(−10.00)", "57", "0.010 (0.005–0.020, n = 32)"):
        assert number in found
    assert "<b>Sure" not in found and "&lt;b&gt;Sure" in found


def test_pinned_sets_have_their_curve(states):
    lines = charts.line_frame(np.zeros(3), None, {name: one.cosine for name, one in comparison.lines(states).items()})
    assert list(lines["series"].unique()) == [charts.BEFORE, "A"]
    assert len(PINNED) >= MOST_PINS


@pytest.fixture
def page(on_page_model):
    """page(**parameters) → the texts and the HTML of the Audit page."""

    def shown(**parameters):
        app = opened(APP, prompt=PROMPT, **parameters)
        assert not app.exception and not app.error
        return " ".join(one.value for one in app.markdown), " ".join(one.value for one in app.html)

    return shown


def test_a_pinned_set_is_measured_answered_and_shown_beside_the_present_one(page, tiny):
    told, shown = page(edits="2-3", pin="2-3,3-4")
    scores = tiny.measure(PROMPT, [Edits(), ONE, TWO]).refusal_score[0]
    for name, score in (("Now", scores[1]), ("A", scores[2])):
        assert f"{name} takes the refusal score" in told and signed(float(score)) in told
    assert "hs-compared" in shown and "waits" not in shown


def test_a_pinned_set_that_is_on_now_stands_once(page):
    _, shown = page(edits="2-3", pin="2-3")
    assert "<th scope='col'>A</th>" in shown and "<th scope='col'>Now</th>" not in shown


def test_without_a_pinned_set_nothing_is_compared(page):
    assert "hs-grid hs-compared" not in page(edits="2-3")[1]
