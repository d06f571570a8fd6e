"""A study's results: who has done how much, agreement, scores beside guessing, and everything to download.

Knows: how they are laid out. Does not know: how they are computed (`core.study.results`).
"""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd
import streamlit as st

from cache.store.database import Store
from cache.store.studies import Studies
from cache.store.study_judges import verdicts_of_judges
from core.statistics import Estimate
from core.study.items import Study
from core.study.results import Results, as_csv, as_json, results
from core.study.results_text import agreement_text, guess_text, kappa_text, number_text, percent
from core.study.score import PAPER_SCORE, Scores
from pages.shared.rate_lines import rate_lines
from pages.shared.text import counted, plain

#: The palette's places: its first for scores, its last, grey, for names.
_COLOUR = alt.Color("series:N", scale=alt.Scale(domain=["score", *"23456", "·grey"]), legend=None)


def show(store: Store, studies: Studies, identifier: str, study: Study) -> None:
    """Everything of one study."""
    annotations = studies.annotations(identifier)
    found = results(study, annotations, verdicts_of_judges(store, study))
    if not found.rated:
        st.info("Nobody has labelled an item of this study yet.", icon=":material/hourglass_empty:")
        return
    people = ", ".join(f"{plain(who)} ({count})" for who, count in found.annotators.items())
    st.markdown(f"**{found.rated} of {counted(found.items, study.noun)}** labelled. Annotators: {people}.")
    _agreement(found)
    if found.scores.credit.n:
        _scores(found)
    _judges(found)
    with st.container(horizontal=True, gap="small"):
        st.download_button(
            "Items and choices",
            lambda: as_csv(study, annotations),
            f"hydrascope-study-{identifier}.csv",
            "text/csv",
            key="study_csv",
            icon=":material/download:",
            on_click="ignore",
            help="CSV, one row an item",
        )
        st.download_button(
            "Everything",
            lambda: as_json(found, annotations),
            f"hydrascope-study-{identifier}.json",
            "application/json",
            key="study_json",
            icon=":material/download:",
            on_click="ignore",
            help="JSON: results, items and choices",
        )
    facts = [f"**{plain(title[0].upper() + title[1:])}** {plain(text)}" for title, text in study.facts.items()]
    st.caption("  \n".join([*facts, *map(plain, study.notes)]))


def _agreement(found: Results) -> None:
    st.markdown("##### Agreement of the annotators")
    several = found.study.question.several
    st.markdown(f"Fleiss' κ: {plain(kappa_text(found))}  \nKrippendorff's α: {plain(agreement_text(found.alpha))}")
    if several:
        st.markdown(
            f"Krippendorff's α where shared categories count as nearer: {plain(agreement_text(found.alpha_masi))}"
        )
    st.markdown(f"Items with a majority: {plain(str(found.decided))}")
    frame = pd.DataFrame(
        [
            (label, one.hits, one.rate, *_ends(found.by_label[label][0]), *_ends(found.by_label[label][1]))
            for label, one in found.chosen.items()
        ],
        columns=["label", "majority", "share", "κ", "κ 95% from", "κ to", "α", "α 95% from", "α to"],
    )
    st.dataframe(
        frame,
        hide_index=True,
        key="study_by_label",
        alt=f"How often each of {counted(len(frame), 'label')} has a majority, and how far annotators agree on it",
        column_config={"share": st.column_config.NumberColumn(format="percent")}
        | {name: st.column_config.NumberColumn(format="%.2f") for name in frame.columns[3:]},
    )
    st.caption(
        "κ is of the annotators who labelled every item, or, while there are fewer than two of them, of the items that "
        "everybody labelled; α is of all choices. Intervals: bootstrap over items. In the table, κ and α are those of "
        "the question whether the label was chosen."
    )


def _scores(found: Results) -> None:
    study = found.study
    if not study.question.several:
        st.markdown("##### Against the known verdicts")
        st.markdown(f"The majority has the known verdict on {plain(str(found.scores.exact))}.")
        return
    st.markdown("##### Score against the categories from firing")
    st.markdown(
        f"Score as in the paper: **{plain(percent(found.scores.credit))}**  \n"
        f"Stricter score (Jaccard), wrong categories counted too: {plain(percent(found.scores.jaccard))}  \n"
        f"All categories right and none more: {plain(str(found.scores.exact))}"
    )
    st.markdown(plain(guess_text(found)))
    st.caption(
        "The paper's score is the share of a feature's categories that the majority chose, so choosing every category "
        "scores 100% on each feature that fires. An item without a majority scores 0. The paper's three annotators "
        f"scored {PAPER_SCORE:.2%} on its 70 features."
    )
    frame = score_frame(
        found,
        {number_text(number): one for number, one in found.by_number.items()}
        | {f"from: {group}": one for group, one in found.by_group.items()}
        | {f"{who} alone": one for who, one in found.by_person.items()},
    )
    tooltip = [
        "name:N",
        alt.Tooltip("rate:Q", title="score", format=".1%"),
        alt.Tooltip("low:Q", title="95% from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("n:Q", format="d"),
    ]
    st.altair_chart(
        rate_lines(frame, "name", "score, as in the paper", tooltip, _COLOUR, "·grey"),
        key="study_scores",
        alt="; ".join(f"{row.name}: {row.rate:.0%} of {row.n}" for row in frame.itertuples()),
    )


def score_frame(found: Results, parts: Mapping[str, Scores]) -> pd.DataFrame:
    """name, rate, low, high, n, series: the majority, guessing, then a line for each part, with how many items it is
    over; empty parts are left out."""
    guess = found.guess
    rows: list[tuple[str, float, float, float, int, str]] = [
        (f"{name} (n = {one.credit.n})", one.credit.value, *_interval(one.credit), one.credit.n, "score")
        for name, one in {"the majority": found.scores, **parts}.items()
        if one.credit.n
    ]
    rows.insert(1, ("random guessing, 95% of draws", guess.mean, guess.low, guess.high, guess.n, "·grey"))
    return pd.DataFrame(rows, columns=["name", "rate", "low", "high", "n", "series"])


def _judges(found: Results) -> None:
    """κ of people with each judge, of a study of answers."""
    if found.study.kind != "answers":
        return
    st.markdown("##### People and judges")
    if not found.judges:
        st.caption(
            "No judge has judged these answers yet. Judge them on the Judges page, then compare here. "
            "With the shipped answers, give it the file assets/answers/labelled.jsonl."
        )
        return
    for name, one in found.judges.items():
        st.markdown(f"**{plain(name)}** {plain(str(one))}")
    st.caption("The people's verdict is their majority. Answers without a majority are left out.")


def _ends(one: Estimate) -> tuple[float, float, float]:
    return one.value, one.low, one.high


def _interval(one: Estimate) -> tuple[float, float]:
    """As drawn: where there is no interval, no line."""
    return (one.low, one.high) if one.low == one.low else (one.value, one.value)
