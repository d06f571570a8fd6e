"""Who wakes whom: every edited feature (or layer) left alone in turn, and which woken features that puts back to sleep.

Knows: links and how they are laid out on the page. Does not know: how they were found.
"""

from __future__ import annotations

import streamlit as st

from core import Engine
from pages.hydra import charts, work
from pages.shared.downloads import download
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted
from pages.shared.workspace.session import Request

BY, WITH_BOS = "hydra_by", "hydra_who_bos"


def section(engine: Engine, key: str, request: Request) -> None:
    """The whole view. Raises InputError."""
    edits = request.edits
    large = len(edits.features) > work.LARGE_SET
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        by = st.segmented_control(
            "Leave out",
            ["feature", "layer"],
            default="layer" if large else "feature",
            key=BY,
            required=True,
            format_func=lambda name: f"one {name} at a time",
            label_visibility="collapsed",
            persist_state="session",
        )
        with_bos = st.toggle(
            "Include BOS",
            key=WITH_BOS,
            help="Include features that woke only at BOS. They are the same for every prompt.",
            persist_state="session",
        )
    if not edits.features:
        st.caption(
            "Only features can be left on one at a time, and the edits contain no features. Press “Top” on the left, "
            "or tick features in the table."
        )
        return
    with st.spinner(f"Leaving out one {by} at a time", show_time=True):
        links = work.held_down(engine, key, request.prompt, request.edits, str(by), with_bos)
    if links is None:
        st.caption("No feature woke on this prompt’s tokens, so no feature was held down.")
        return
    found = links.frame[links.frame["effect"] > 0]
    watched = links.frame["woken"].nunique()
    if found.empty:
        st.caption(
            f"None of the {counted(watched, 'woken feature')} depends on a single {by}: each still wakes when you "
            f"leave one {by} on, whichever it is."
        )
    else:
        st.markdown(
            f"Leaving one {by} on weakens {found['woken'].nunique()} of {counted(watched, 'woken feature')}. Each "
            f"edge runs from the edited {by} to a feature that it held down. A thicker edge means more activation "
            "held down."
        )
        st.caption(
            f"Of what woke, the {work.WATCHED} strongest are watched, and of these the features above an edited one. "
            "The direction is never left on."
        )
        st.altair_chart(
            charts.holds_down(found),
            key="hydra_links",
            alt="; ".join(f"{row.left_out} holds down {row.woken}" for row in found.head(5).itertuples()),
        )
        if len(found) > charts.EDGES:
            st.caption(f"The strongest {charts.EDGES} of {len(found):,} are drawn.")
        st.dataframe(
            found[["left_out", "woken", "effect"]],
            hide_index=True,
            key="hydra_links_table",
            height=320,
            alt=f"{len(found)} pairs, strongest first",
            column_config={
                "left_out": st.column_config.TextColumn(f"edited {by}"),
                "woken": st.column_config.TextColumn("holds down"),
                "effect": st.column_config.NumberColumn("activation held down", format="%.2f"),
            },
        )
        download(found, "who-wakes-whom")
    st.subheader(f"What each {by} contributes", anchor=False)
    st.caption(f"The refusal score with one {by} left on, compared with all edits.")
    st.dataframe(
        with_true_minus(links.scores, {"score": "+.2f", "difference": "+.2f"}),
        hide_index=True,
        key="hydra_scores",
        height=260,
        alt=f"Refusal score by {by} left on",
        column_config={
            "left_out": st.column_config.TextColumn(f"{by} left on"),
            "score": "refusal score",
            "difference": "difference from all edits",
        },
    )
    download(links.scores, "left-out")
