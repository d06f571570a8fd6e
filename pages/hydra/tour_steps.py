"""The steps of the guided tour: which part of the example each shows, in which words and with which chart.

Knows: how a measured part is laid out. Does not know: where it comes from, or which step one is at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd
import streamlit as st

from core import Engine
from core.hydra import HeldParts, Repair, Wakening
from core.hydra.groups import DRAWS
from core.hydra.tour import Answers, Example, Part, Spoken
from pages.hydra import answer_card, charts, repair, repair_charts, tour_words, woken
from pages.shared.text import counted


class Shown(NamedTuple):
    """All that a step is drawn from. found: the part of the example, as `core.hydra.tour` measures it. dtype: the
    number format it was measured in."""

    engine: Engine
    key: str
    example: Example
    found: Any
    dtype: str


class Step(NamedTuple):
    """title: what is looked at. says: one or two sentences, Markdown. draw: the chart below them."""

    title: str
    part: Part
    says: Callable[[Shown], str]
    draw: Callable[[Shown], None]


def _first_answer(shown: Shown) -> None:
    found: Answers = shown.found
    _answer(st.columns(2, gap="small")[0], "Before", "no edit", found.before)


def _both_answers(shown: Shown) -> None:
    found: Answers = shown.found
    left, right = st.columns(2, gap="small")
    _answer(left, "Before", "no edit", found.before)
    _answer(right, "After", shown.example.edits.describe(), found.after)


def _answer(place: Any, title: str, what: str, one: Spoken) -> None:
    answer_card.draw(place, title, what, one.p, one.score, one.verdict, one.answer)


def _fall(shown: Shown) -> None:
    found: Repair = shown.found
    _repair_chart(Repair(found.found, (), 0, True))
    st.caption(
        "Bars: what attention and MLP of each block write differently, at the prompt’s last token. Line: the edit "
        "and all blocks so far. Below 0 is away from refusal."
    )


def _put_back(shown: Shown) -> None:
    found: Repair = shown.found
    _repair_chart(found)
    st.caption(repair_charts.control_sentence(found))


def _repair_chart(found: Repair) -> None:
    if found.found.lowest < len(found.found.blocks) - 1:
        st.altair_chart(
            repair_charts.repair(found.found, found.controls),
            key="hydra_tour_repair",
            alt=repair_charts.summary(found.found),
        )


def _held(shown: Shown) -> None:
    found: HeldParts | None = shown.found
    if found is not None:
        repair.held_table(found)
        st.caption(
            f"Other parts: as many, drawn at random from the blocks above the edits, mean of "
            f"{counted(len(found.controls), 'draw')}. Parts are held at the last token of the prompt only, so no "
            "answer was written with them held." + repair.rounding(shown.dtype)
        )


def _woken(shown: Shown) -> None:
    found: Wakening = shown.found
    woken.draw_map(shown.engine, shown.key, shown.example.prompt, found)
    st.caption(
        "Each mark is one layer at one token; the system prompt is left out. Point at a mark to see its features."
    )


def _matters(shown: Shown) -> None:
    found: pd.DataFrame = shown.found
    if not found.empty:
        st.altair_chart(charts.matters(found), key="hydra_tour_matters", alt=tour_words.matters(found))
        st.caption(f"Lines reach from the lowest to the highest of {DRAWS} random draws; the tick is their mean.")


def _dose(shown: Shown) -> None:
    frame: pd.DataFrame = shown.found
    for column, (name, title) in zip(
        st.columns(2, gap="medium"), (("score", "refusal score"), ("woken", "features woken")), strict=True
    ):
        column.altair_chart(
            charts.dose(frame, name, title), key=f"hydra_tour_dose_{name}", alt=f"{title}: {tour_words.dose(frame)}"
        )


STEPS = (
    Step("The request", "answers", lambda shown: tour_words.unedited(shown.found), _first_answer),
    Step(
        "Features switched off",
        "answers",
        lambda shown: tour_words.edited(shown.found, shown.example.edits),
        _both_answers,
    ),
    Step("Who carries the blow", "repair", lambda shown: tour_words.fall(shown.found), _fall),
    Step("Who puts it back", "repair", lambda shown: tour_words.put_back(shown.found), _put_back),
    Step("The repairers held", "held", lambda shown: tour_words.held(shown.found), _held),
    Step("Silent features wake", "woken", lambda shown: tour_words.woken(shown.found), _woken),
    Step("Do they matter?", "matters", lambda shown: tour_words.matters(shown.found), _matters),
    Step("How much is enough?", "dose", lambda shown: tour_words.dose(shown.found), _dose),
)
