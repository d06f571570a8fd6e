"""The judgements of the chosen answers: rates, agreement, and all of it as a file.

Knows: what is stored about these answers. Does not know: how they were judged. Neither a judge nor the hub is asked, so
results are there as soon as the answers are.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pandas as pd
import streamlit as st

from cache.store.judgements import Judgements, Stored
from cache.store.pairs import Pair
from core.answers.judge import Judgement
from core.answers.labelled import READER
from core.judges.summary import by_category, label_of, rates, rows
from core.text.csv_text import csv_text
from core.text.json_text import json_text
from pages.judges import agreement, charts
from pages.judges.source import Answers
from pages.shared.text import counted, plain
from pages.shared.verdicts import agreement as with_people

#: Where the labels come from, beside their rates.
LABELLED_BY = "Read in two passes by a developer of this program."


def show_results(answers: Answers, kept: Judgements) -> None:
    """Rates, agreement and downloads."""
    st.subheader("Results", anchor="results")
    found = [one for one in kept.stored(answers.pairs) if one.known]
    if answers.labels:
        found.insert(0, Stored(READER, LABELLED_BY, tuple(Judgement(label) for label in answers.labels)))
    if not found:
        st.caption("None of these answers has been judged yet. Press “Judge” to see the rates here.")
        return
    _rates(found, answers)
    if len(found) > 1:
        st.subheader("Agreement of the judges", anchor="agreement")
        agreement.pairs([_compared(a, b, answers) for a, b in combinations(found, 2)], "these")
    _downloads(answers, found)


def _rates(found: Sequence[Stored], answers: Answers) -> None:
    """The rates in words, and drawn."""
    of = len(answers.pairs)
    for one in found:
        words = "; ".join(f"**{name}** {plain(str(rate))}" for name, rate in rates(one.known).items())
        part = "" if len(one.known) == of else f" :gray[{len(one.known):,} of {of:,} judged so far]"
        st.markdown(f"{plain(one.judge)}: {words}{part}  \n:gray[{plain(_about(one))}]")
    frame = charts.rates_frame({one.judge: rates(one.known) for one in found})
    st.altair_chart(charts.rates(frame), key="judges_rates", alt=charts.rates_summary(frame))
    st.caption(
        "Shares with 95% Wilson intervals. Refused, complied, off-topic, degenerate and undetermined describe the "
        "answer. Yes, no and unclear are a classifier's labels for whether the answer does the harm that "
        "was requested. A classifier cannot tell a refusal from a harmless answer."
    )
    _by_category(found, answers)
    with st.expander("Where these numbers come from", icon=":material/fingerprint:"):
        st.markdown("  \n".join(f"**{plain(one.judge)}** {plain(one.revision)}" for one in found))


def _about(one: Stored) -> str:
    return LABELLED_BY if one.judge == READER else with_people(one.judge, one.revision)


def _by_category(found: Sequence[Stored], answers: Answers) -> None:
    """The rates in each category of the prompts; nothing where they have no categories."""
    frame = pd.DataFrame(
        [
            {"judge": one.judge, "category": name, "label": label, **each._asdict()}
            for one in found
            for name, label, each in by_category(answers.categories, one.judgements)
        ]
        if answers.categories
        else []
    )
    if frame.empty:
        return
    percent = st.column_config.NumberColumn
    with st.expander("Rates by category of the prompt", icon=":material/category:", key="judges_by_category"):
        st.dataframe(
            frame,
            hide_index=True,
            key="judges_by_category_rows",
            column_config={name: percent(format="percent") for name in ("rate", "low", "high")},
            alt="Rates by category of the prompt",
        )
        st.caption("n is small in most categories, so read the intervals (95%, Wilson).")


def _compared(first: Stored, second: Stored, answers: Answers) -> agreement.Compared:
    """The answers that both have judged."""
    both = [
        (pair, a, b)
        for pair, a, b in zip(answers.pairs, first.judgements, second.judgements, strict=True)
        if a is not None and b is not None
    ]
    return agreement.Compared(
        (first.judge, second.judge),
        tuple(a for _, a, _ in both),
        tuple(b for _, _, b in both),
        tuple(pair.prompt for pair, _, _ in both),
        tuple(pair.answer for pair, _, _ in both),
    )


def labels(pairs: Sequence[Pair], found: Sequence[Stored]) -> pd.DataFrame:
    """prompt, answer, and a column a judge with its label, empty where it has not judged."""
    frame = pd.DataFrame([pair._asdict() for pair in pairs])
    for one in found:
        frame[one.judge] = [label_of(judgement) if judgement is not None else "" for judgement in one.judgements]
    return frame


def lines(pairs: Sequence[Pair], found: Sequence[Stored]) -> str:
    """JSONL: every judgement in full, one line for each answer and judge."""
    every = (row for one in found for row in rows(pairs, one.judge, one.revision, one.judgements, with_answers=True))
    return "".join(json_text(row, ascii_only=False) + "\n" for row in every)


def _downloads(answers: Answers, found: Sequence[Stored]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.download_button(
            "Labels (CSV)",
            lambda: csv_text(labels(answers.pairs, found)),
            "hydrascope-judged.csv",
            "text/csv",
            key="judges_csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help=f"{counted(len(answers.pairs), 'row')}, one column for each judge.",
        )
        st.download_button(
            "Judgements in full (JSONL)",
            lambda: lines(answers.pairs, found),
            "hydrascope-judged.jsonl",
            "application/jsonl",
            key="judges_jsonl",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="One line for each answer and judge: label, score, categories, a classifier's raw output, and the "
            "revision.",
        )
