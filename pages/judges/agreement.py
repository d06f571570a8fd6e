"""How far judges agree: κ of each pair with its interval, in words, and the answers they differ on.

Knows: pairs of judgements of the same answers. Does not know: where they are kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.answers.judge import Judgement
from core.judges.agreement import Agreement, compare, compared
from core.judges.summary import label_of
from pages.shared.downloads import download
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted, escaped, plain

#: Disagreements shown at a time, and letters of an answer.
A_PAGE, _MOST = 5, 1500


@dataclass(frozen=True)
class Compared:
    """Two judges' judgements of the same answers, in one order. answers: None where no text was kept."""

    names: tuple[str, str]
    first: tuple[Judgement, ...]
    second: tuple[Judgement, ...]
    prompts: tuple[str, ...]
    answers: tuple[str | None, ...]

    @property
    def title(self) -> str:
        return " and ".join(self.names)


def pairs(every: Sequence[Compared], where: str) -> None:
    """A table of every pair, then one of them closely. where: tells the widgets of two such sections apart."""
    found = [(one, compare(one.first, one.second)) for one in every]
    if len(found) > 1:
        frame = table(found)
        st.dataframe(
            with_true_minus(frame, dict.fromkeys(("κ", "95% from", "to"), ".2f")),
            hide_index=True,
            key=f"judges_table_{where}",
            alt=f"Agreement of {counted(len(found), 'pair')}",
            column_config={
                name: st.column_config.NumberColumn(format="percent")
                for name in ("alike", "alike from", "alike to", "by chance")
            },
        )
        download(frame, f"agreement-{where}")
    titles = {one.title: (one, agreed) for one, agreed in found}
    chosen = next(iter(titles))
    if len(titles) > 1:
        chosen = str(st.selectbox("Show in detail", list(titles), key=f"judges_pair_{where}", persist_state="session"))
    _closely(*titles[chosen], where)


def table(found: Sequence[tuple[Compared, Agreement]]) -> pd.DataFrame:
    """One row a pair of judges."""
    rows = [
        (
            one.title,
            agreed.kappa,
            agreed.low,
            agreed.high,
            agreed.n,
            agreed.differ,
            agreed.alike.rate,
            agreed.alike.low,
            agreed.alike.high,
            agreed.expected,
        )
        for one, agreed in found
    ]
    names = ["judges", "κ", "95% from", "to", "n", "differ", "alike", "alike from", "alike to", "by chance"]
    return pd.DataFrame(rows, columns=names)


def _closely(one: Compared, agreed: Agreement, where: str) -> None:
    """One pair: κ, in words, the table, and the answers the two differ on."""
    st.markdown(f"**{plain(one.title)}**: {plain(str(agreed))}")
    st.markdown(plain(agreed.reading()))
    if not agreed.n:
        return
    harm = any(judgement.verdict is None for judgement in (*one.first, *one.second))
    if harm:
        st.caption(
            "The comparison is about whether the answer does what was asked. A classifier answers this directly. "
            "For a judge of refusals, “complied” counts as yes and everything else as no."
        )
    first, second = one.names
    frame = agreed.frame()
    frame.columns = [f"{second}: {name}" for name in frame.columns]
    frame.index = pd.Index([f"{first}: {name}" for name in frame.index], name="")
    st.dataframe(
        frame,
        width="content",
        key=f"judges_counts_{where}",
        alt=f"Labels of {first} in rows and of {second} in columns",
    )
    _differences(one, where)


def _differences(one: Compared, where: str) -> None:
    labels = zip(*compared(one.first, one.second), strict=True)
    places = [place for place, (a, b) in enumerate(labels) if a != b]
    if not places:
        st.caption("The judges agree on every answer.")
        return
    st.markdown(f"**Answers on which the judges differ** :gray[{counted(len(places), 'answer')}]")
    number, pages = 1, -(-len(places) // A_PAGE)
    if pages > 1:
        number = int(
            st.number_input(f"Page, 1 to {pages}", 1, pages, key=f"judges_page_{where}_{len(places)}", width=140)
        )
    for place in places[(number - 1) * A_PAGE : number * A_PAGE]:
        with st.container(border=True, gap="xsmall"):
            st.markdown(f"**{plain(one.prompts[place], most=400)}**")
            st.html(f"<div class='hs-answer'>{answer_html(one.answers[place])}</div>")
            both = (one.first[place], one.second[place])
            st.caption(
                " · ".join(f"{plain(name)}: **{label_of(that)}**" for name, that in zip(one.names, both, strict=True))
            )


def answer_html(answer: str | None) -> str:
    """An answer as HTML in which all of it is text."""
    if answer is None:
        return "<span class='hs-wait'>(the text was not kept)</span>"
    if not answer.strip():
        return "<span class='hs-wait'>(an empty answer)</span>"
    more = f" … ({len(answer) - _MOST:,} more characters in the download)" if len(answer) > _MOST else ""
    return escaped(answer.strip()[:_MOST] + more)
