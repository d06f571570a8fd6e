"""The features active on this prompt, to search, filter, and switch off row by row.

Knows: the table's widgets; `summary`, `filtered` and `ordered` are pure. Does not know: measurements or charts.
A ticked row is a feature that is edited now: the table is drawn from the workspace and writes into it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
import streamlit as st

from core import Engine, Feature
from core.edits.feature_sets import features_of
from core.edits.text import Word
from core.labels.notes import Labels
from core.prompts.conversation import PromptLike
from pages.shared import clamp_ticked, feature_note, measurements, sae_cards
from pages.shared.feature_text import short
from pages.shared.reveal import reveal
from pages.shared.text import counted, plain, visible
from pages.shared.workspace import mirrors, session
from pages.shared.workspace.state import with_ticks

SEARCH, LAYERS, ALIGNED, WITH_BOS = "audit_search", "audit_layers", "audit_aligned", "audit_with_bos"
MEASURE = "audit_measure_effects"
#: Prompts whose effects were measured in this session, the last `MOST_KNOWN` of them.
KNOWN, MOST_KNOWN = "audit_effects_known", 30
#: Features whose effect is measured, those with the largest cosine × activation.
MEASURED = 64
#: Pixels of a feature's card: with the table above it, it fits under the strip on a screen of 800.
CARD = 270
#: Milliseconds of one forward from which on effects are measured on request only.
SLOW = 400
_COLUMNS = ["feature", "layer", "index", "cosine", "strongest", "position", "token", "tokens", "label"]
_SHOWN = ["feature", "effect", "strongest", "label", "token", "cosine", "tokens", "layer"]


def summary(active: pd.DataFrame, labels: Labels, with_bos: bool) -> pd.DataFrame:
    """One row a feature, highest cosine first.

    active: layer, index, position, token, activation, cosine. Result: feature, layer, index, cosine, strongest (its
    highest activation) with the position and token it is at, tokens (on how many it is active), label.
    Position 0 counts only with `with_bos`: it is the same for every prompt and would be most features' strongest.
    """
    seen = active if with_bos else active[active["position"] > 0]
    if seen.empty:
        return pd.DataFrame({name: [] for name in _COLUMNS})
    counts = seen.groupby(["layer", "index"])["position"].size().rename("tokens").reset_index()
    top = seen.sort_values("activation", ascending=False, kind="stable").drop_duplicates(["layer", "index"])
    found = top.merge(counts, on=["layer", "index"]).rename(columns={"activation": "strongest"})
    features = features_of(found)
    found["feature"] = [str(feature) for feature in features]
    found["label"] = [labels.label(feature) for feature in features]
    found["token"] = [visible(piece) for piece in found["token"]]
    return found.sort_values(["cosine", "layer", "index"], ascending=[False, True, True], ignore_index=True)[_COLUMNS]


def foremost(rows: pd.DataFrame, most: int = MEASURED) -> list[Feature]:
    """The features of a summary with the largest cosine × highest activation, either way."""
    return features_of(rows.loc[(rows["cosine"] * rows["strongest"]).abs().nlargest(most).index])


def ordered(rows: pd.DataFrame, effects: Mapping[Feature, float]) -> pd.DataFrame:
    """With a column “effect”, NaN where none was measured: those first that lower the score most, then the others by
    cosine × highest activation.
    """
    found = rows.assign(effect=[effects.get(feature, math.nan) for feature in features_of(rows)])
    found["_product"] = -(found["cosine"] * found["strongest"]).abs()
    found = found.sort_values(["effect", "_product"], kind="stable", na_position="last", ignore_index=True)
    return found.drop(columns="_product")


def filtered(rows: pd.DataFrame, search: str, layers: Sequence[int], least_cosine: float | None) -> pd.DataFrame:
    """The rows whose feature, token or label holds every word of `search`, in `layers` (all when empty)."""
    kept = rows
    if layers:
        kept = kept[kept["layer"].isin(list(layers))]
    if least_cosine is not None:
        kept = kept[kept["cosine"] >= least_cosine]
    for word in search.lower().split():
        text = (kept["feature"] + " " + kept["token"] + " " + kept["label"]).str.lower()
        kept = kept[text.str.contains(word, regex=False)]
    return kept.reset_index(drop=True)


def section(engine: Engine, key: str, prompt: PromptLike, milliseconds: float) -> Callable[[], None]:
    """Filters, table, buttons, and what is known of the feature looked at. milliseconds: what one forward takes.

    Returns what measures the effects and draws the table with them, where they are still to be measured: to be called
    when what a person waits for more is there.
    """
    labels = measurements.labels(engine, engine.spec.name)
    st.subheader("Features on this prompt", anchor="features")
    if labels.left_out:
        st.caption(plain(labels.left_out))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="feature_filters"):
        search = st.text_input(
            "Search",
            key=SEARCH,
            type="search",
            live="200ms",
            placeholder="Search label, token or 12-40",
            label_visibility="collapsed",
            persist_state="session",
        )
        chosen, least, with_bos = _filters(engine)
    rows = _rows(engine, key, prompt, with_bos, labels.version)
    kept = filtered(rows, search or "", chosen, least)
    asked, known = (key, prompt), st.session_state.setdefault(KNOWN, [])
    waits = milliseconds > SLOW and st.session_state.get(MEASURE) != asked and asked not in known
    if waits:
        _ask(asked, len(rows))
    place = st.empty()

    def draw(measured: bool) -> Feature | None:
        effects = measurements.effects(engine, key, prompt, tuple(foremost(rows))) if measured else {}
        shown = ordered(kept, effects)
        shown["label"] = [short(labels, feature) for feature in features_of(shown)]
        identity = _identity(key, prompt, search, chosen, least, with_bos, measured)
        with place.container():
            return _table(shown, bool(rows["label"].astype(bool).any()), measured, identity)

    looked_at = draw(asked in known)
    if looked_at is not None:
        with st.container(height=CARD, border=False, key="feature_card"):
            feature_note.show(engine, looked_at, labels)
        reveal(str(looked_at), "feature_reveal")
    _counts(len(kept), len(rows), sum(engine.widths.values()))
    ticked, shown = _on(), set(kept["feature"])
    clamp_ticked.popover([one for one in session.current().features if one in ticked and str(one) in shown])
    sae_cards.caption(engine.spec)

    def finish() -> None:
        if not waits and asked not in known:
            draw(True)
            known[:] = [*known[-MOST_KNOWN:], asked]

    return finish


def _filters(engine: Engine) -> tuple[list[int], float | None, bool]:
    """Layers, least cosine, and whether BOS counts, in a popover."""
    with st.popover("Filter", icon=":material/filter_list:", type="tertiary", key="feature_filter"):
        chosen = st.multiselect(
            "Layers", engine.spec.layers, key=LAYERS, placeholder="all", width=210, persist_state="session"
        )
        least = st.number_input(
            "Cosine at least",
            -1.0,
            1.0,
            value=None,
            step=0.05,
            key=ALIGNED,
            placeholder="any",
            width=170,
            help="Cosine of the feature’s decoder row with the refusal direction. It shows how strongly the feature "
            "pushes towards refusal.",
            persist_state="session",
        )
        with_bos = st.toggle(
            "Count BOS",
            key=WITH_BOS,
            help="Include position 0. It is the same for every prompt.",
            persist_state="session",
        )
    return chosen, least, with_bos


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=measurements.HASHES)
def _rows(_engine: Engine, key: str, prompt: PromptLike, with_bos: bool, labels: tuple[int, ...]) -> pd.DataFrame:
    """The summary, remembered: a filter or a toggle does not change it, a new label (`labels`: their version) does."""
    return summary(
        measurements.features(_engine, key, prompt), measurements.labels(_engine, _engine.spec.name), with_bos
    )


def _ask(asked: tuple[str, PromptLike], rows: int) -> None:
    """Where a forward takes long, effects are measured when somebody asks for them."""
    st.button(
        f"Measure what each of {min(MEASURED, rows)} features does",
        key="audit_measure",
        icon=":material/science:",
        on_click=lambda: st.session_state.update({MEASURE: asked}),
        help="Ablates each feature alone, in one batch, and shows how far the refusal score moves.",
    )


def _counts(shown: int, active: int, of: int) -> None:
    text = f"{active:,} of {counted(of, 'feature')} are active on this prompt"
    text += "" if shown == active else f", {shown:,} of them shown"
    st.caption(
        f"{text}. Tick a row to switch the feature off. Click a cell, and what is known of the feature opens below."
        if shown
        else f"{text}. Change the filters to see more."
    )


def _table(shown: pd.DataFrame, labelled: bool, measured: bool, identity: str) -> Feature | None:
    """Draw the table; returns the feature whose cell was clicked. Its key changes with its rows, because ticks and
    clicks are row numbers.
    """
    number = st.column_config.NumberColumn
    key = f"features_{identity}"
    features = features_of(shown)
    on = _on()
    _show_ticks(key, [place for place, feature in enumerate(features) if feature in on])
    hidden = {name for name, there in (("label", labelled), ("effect", measured)) if not there}
    selection = st.dataframe(
        shown,
        key=key,
        height=330,
        hide_index=True,
        on_select=_ticked(key, features),
        selection_mode=["multi-row", "single-cell"],
        row_height=30,
        column_order=[name for name in _SHOWN if name not in hidden],
        column_config={
            "feature": st.column_config.TextColumn("Feature", help="layer-index", width=72, pinned=True),
            "effect": number(
                "Effect",
                format="%+.2f",
                width=62,
                help="How far the refusal score moves when this feature alone is ablated, with no other edit. Measured "
                f"for the {MEASURED} features with the largest cosine × activation.",
            ),
            "layer": number("Layer", width=60),
            "cosine": number(
                "Cosine", format="%+.3f", width=76, help="Cosine of the decoder row with the refusal direction"
            ),
            "strongest": number("Strongest", format="%.2f", width=84, help="Highest activation on this prompt"),
            "token": st.column_config.TextColumn("at token", width=110, help="The token where it is strongest"),
            "tokens": number("Tokens", width=66, help="The number of tokens on which it is active"),
            "label": st.column_config.TextColumn("Label", width="medium"),
        },
        placeholder="",
        alt="Features active on this prompt, those first whose ablation lowers the refusal score most",
    )
    cells = [row for row, _ in selection.selection.cells if row < len(shown)]
    return features[cells[0]] if cells else None


def _on() -> set[Feature]:
    """The features whose edits are on."""
    words = (Word.parse(word).name for word in session.current().words_on)
    return {Feature.parse(name) for name in words if name != "direction"}


def _show_ticks(key: str, rows: list[int]) -> None:
    """Tick these rows where the table shows others: an edit that came from elsewhere, or was undone."""
    drawn = st.session_state.get(key)
    if mirrors.show(key, drawn["selection"]["rows"] if drawn else None, rows) and (drawn or rows):
        cells = list(drawn["selection"]["cells"]) if drawn else []
        st.session_state[key] = {"selection": {"rows": rows, "columns": [], "cells": cells}}


def _ticked(key: str, features: Sequence[Feature]) -> Callable[[], None]:
    """A tick switches its feature off (ablates it), taking it away removes the feature's edits."""

    def change(ticked: frozenset[int], unticked: frozenset[int]) -> None:
        new, gone = [features[row] for row in sorted(ticked)], [features[row] for row in sorted(unticked)]
        changed = with_ticks(session.current(), new, gone)
        if changed != session.current():
            session.change(changed)

    def act() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        mirrors.clicked(key, (row for row in rows if row < len(features)), change)

    return act


def _identity(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
