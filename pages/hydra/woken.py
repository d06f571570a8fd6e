"""The woken map: where edited features fired, where dormant ones woke, and how far below their thresholds they were.

Knows: a wakening and how it is laid out on the page. Does not know: how it was found.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import streamlit as st

from core import Engine, Feature
from core.hydra import Wakening
from core.labels.notes import Labels
from core.prompts.conversation import PromptLike
from pages.hydra import charts, meaning, state, work
from pages.shared import measurements, sae_cards, tokens
from pages.shared.downloads import download
from pages.shared.feature_text import about
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted, visible
from pages.shared.workspace.session import Request

#: Features whose margins are drawn; the table has all.
DRAWN = 30


def section(engine: Engine, key: str, request: Request) -> None:
    """The whole view. Raises InputError."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        which = st.segmented_control(
            "Where",
            [state.WHOLE, state.BOS],
            default=state.WHOLE,
            key=state.ONLY_BOS,
            required=True,
            label_visibility="collapsed",
            persist_state="session",
        )
        everything = which == state.WHOLE and st.toggle(
            "All tokens",
            key="hydra_all_tokens",
            help="Also show the system prompt. It is the same for every prompt.",
            persist_state="session",
        )
    label = _label(measurements.labels(engine, engine.spec.name))
    if which == state.BOS:
        found = measurements.at_bos(engine, key, request.edits)
        st.caption(
            "BOS is the first token and sees no other token. The features that fire there depend only on the edits "
            "and are the same for every prompt. They are computed from that one token."
        )
        _tables(engine, key, request, found, label, "bos")
        return
    found = work.wakening(engine, key, request.prompt, request.edits)
    with st.container(key="hydra_headline"):
        _headline(found)
    draw_map(engine, key, request.prompt, found, everything)
    st.caption(
        "Each mark shows the features of one layer at one token. A larger mark means a higher activation. Squares "
        "are edited features, shown where they fire without edits. Circles are features that are silent on this "
        "prompt without edits and fire now. Point at a mark to see the features. The shaded column at the end is BOS, "
        "which is the same for every prompt."
    )
    sae_cards.caption(engine.spec)
    _tables(engine, key, request, found, label, "prompt")


def draw_map(engine: Engine, key: str, prompt: PromptLike, found: Wakening, everything: bool = False) -> None:
    """The map itself. everything: the system prompt too."""
    label = _label(measurements.labels(engine, engine.spec.name))
    places = tokens.shown_positions(measurements.tokens(engine, key, prompt), everything)
    places = [*(place for place in places if place), 0]
    frame = pd.concat(
        [charts.cells(found.ablated, charts.EDITED, label), charts.cells(found.marks, charts.WOKEN, label)],
        ignore_index=True,
    )
    edited = found.ablated.drop_duplicates(["layer", "index"])
    st.altair_chart(
        charts.woken_map(frame, found.pieces, places, engine.spec.layers),
        key="hydra_map",
        alt=charts.woken_summary(frame, len(found.woken), len(edited)),
    )


def _headline(found: Wakening) -> None:
    total, at_bos = len(found.woken), int(found.woken["bos_only"].sum())
    if not total:
        st.markdown("No feature woke. Every feature that was silent on this prompt stayed silent.")
        return
    st.markdown(
        f"**{counted(total, 'feature')}** silent on this prompt woke: {total - at_bos:,} on its tokens, {at_bos:,} at "
        "BOS only."
    )


def _tables(
    engine: Engine, key: str, request: Request, found: Wakening, label: Callable[[int, int], str], name: str
) -> None:
    if len(found.marks):
        st.subheader("Woken features", anchor=False)
        frame = _by_feature(found, label)
        asked = st.container(key=f"hydra_one_{name}")
        chosen = st.dataframe(
            with_true_minus(frame, {"cosine": "+.3f"}),
            hide_index=True,
            key=f"hydra_woken_{name}",
            height=min(300, 40 + 35 * len(frame)),
            on_select="rerun",
            selection_mode="single-cell",
            alt=f"{len(frame)} features that woke",
            column_config={
                "activation": st.column_config.NumberColumn("strongest", format="%.2f"),
                "cosine": "cosine with refusal direction",
                "tokens": st.column_config.NumberColumn(
                    "tokens", help="The number of tokens on which the feature fires now"
                ),
            },
        )
        rows = [row for row, _ in chosen.selection.cells if row < len(frame)]
        with asked:
            if rows:
                meaning.one(engine, key, request, Feature.parse(frame["feature"].iloc[rows[0]]))
            else:
                st.caption("Click a feature to test whether it matters: it is ablated as well.")
        download(found.marks.assign(label=_names(found.marks, label)), f"woken-{name}")
    margins = found.margins.assign(
        feature=[
            f"{layer}-{index}" for layer, index in zip(found.margins["layer"], found.margins["index"], strict=True)
        ],
        label=_names(found.margins, label),
    )
    if len(margins):
        st.subheader("How far below their thresholds the features were", anchor=False)
        st.caption(
            "A feature fires where its pre-activation is above its threshold. Rings show the pre-activation without "
            "edits and dots show it with edits, each at the token where it is closest to the threshold. "
            + (
                ""
                if name == "bos"
                else (
                    f"The chart shows the {DRAWN} features that rose most on this prompt’s tokens and ten that "
                    "nearly woke."
                )
            )
        )
        here = margins if name == "bos" else margins[margins["position"] > 0]
        ends = pd.concat([here[here["state"] == "woken"].head(DRAWN), here[here["state"] != "woken"].head(10)])
        st.altair_chart(charts.margins(ends), key=f"hydra_margins_{name}", alt=f"Margins of {len(ends)} features")
        download(margins, f"margins-{name}")


def _by_feature(found: Wakening, label: Callable[[int, int], str]) -> pd.DataFrame:
    """A row a feature: those that woke on the prompt's own tokens first, then those at BOS only."""
    woken = found.woken.sort_values("bos_only", kind="stable", ignore_index=True)
    tokens_of = found.marks.groupby(["layer", "index"]).size()
    return pd.DataFrame(
        {
            "feature": [f"{a}-{b}" for a, b in zip(woken["layer"], woken["index"], strict=True)],
            "about": _names(woken, label),
            "activation": woken["activation"],
            "at": ["BOS" if p == 0 else visible(found.pieces[int(p)]) for p in woken["position"]],
            "tokens": [int(tokens_of[pair]) for pair in zip(woken["layer"], woken["index"], strict=True)],
            "cosine": woken["cosine"],
        }
    )


def _names(frame: pd.DataFrame, label: Callable[[int, int], str]) -> list[str]:
    """What each row's feature is about."""
    return [label(int(layer), int(index)) for layer, index in zip(frame["layer"], frame["index"], strict=True)]


def _label(labels: Labels) -> Callable[[int, int], str]:
    return lambda layer, index: about(labels, Feature(layer, index))
