"""The features active on this prompt, to search, filter, and add to the edits.

Knows: the table's widgets; `summary` and `filtered` are pure. Does not know: measurements or charts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core import POSITIONS, Engine, Feature, HydrascopeError
from core.edits.feature_sets import features_of
from core.labels.notes import Labels
from core.prompts.conversation import PromptLike
from pages.audit import feature_note
from pages.shared import measurements, sae_cards
from pages.shared.text import counted, visible
from pages.shared.workspace import session
from pages.shared.workspace.state import words_for

SEARCH, LAYERS, ALIGNED, WITH_BOS = "audit_search", "audit_layers", "audit_aligned", "audit_with_bos"
VALUE, POSITION = "audit_clamp_value", "audit_clamp_position"
_COLUMNS = ["feature", "layer", "index", "cosine", "strongest", "position", "token", "tokens", "label"]
_SHOWN = ["feature", "edited", "layer", "cosine", "strongest", "token", "tokens", "label"]


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


def section(engine: Engine, key: str, prompt: PromptLike) -> None:
    """Filters, table, buttons, and what is known of the features picked."""
    labels = measurements.labels(engine, engine.spec.name)
    st.subheader("Features on this prompt", anchor="features")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        search = st.text_input(
            "Search", key=SEARCH, type="search", live="200ms", placeholder="label, token or 12-40", width=230
        )
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
        )
        with_bos = st.toggle("Count BOS", key=WITH_BOS, help="Include position 0. It is the same for every prompt.")
    rows = _rows(engine, key, prompt, with_bos, labels.version)
    shown = filtered(rows, search or "", chosen, least)
    named = {str(feature) for feature in session.current().features}
    shown.insert(0, "edited", shown["feature"].isin(named))
    labelled = bool(rows["label"].astype(bool).any())
    picked = _table(shown, len(rows), labelled, _identity(key, prompt, search, chosen, least, with_bos))
    sae_cards.caption(engine.spec)
    _actions(picked)
    for feature in picked[:3]:
        feature_note.show(engine, feature, labels, alone=len(picked) == 1)


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=measurements.HASHES)
def _rows(_engine: Engine, key: str, prompt: PromptLike, with_bos: bool, labels: tuple[int, ...]) -> pd.DataFrame:
    """The summary, remembered: a filter or a toggle does not change it, a new label (`labels`: their version) does."""
    return summary(
        measurements.features(_engine, key, prompt), measurements.labels(_engine, _engine.spec.name), with_bos
    )


def _table(shown: pd.DataFrame, of: int, labelled: bool, identity: str) -> list[Feature]:
    """Draw the table; returns the features picked. Its key changes with its rows, because picks are row numbers."""
    number = st.column_config.NumberColumn
    selection = st.dataframe(
        shown,
        key=f"features_{identity}",
        height=330,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        row_height=30,
        column_order=[name for name in _SHOWN if labelled or name != "label"],
        column_config={
            "feature": st.column_config.TextColumn("Feature", help="layer-index", width=76, pinned=True),
            "layer": number("Layer", width=60),
            "cosine": number(
                "Cosine", format="%+.3f", width=76, help="Cosine of the decoder row with the refusal direction"
            ),
            "strongest": number("Strongest", format="%.2f", width=84, help="Highest activation on this prompt"),
            "token": st.column_config.TextColumn("at token", width=110, help="The token where it is strongest"),
            "tokens": number("Tokens", width=66, help="The number of tokens on which it is active"),
            "label": st.column_config.TextColumn("Label", width="large"),
            "edited": st.column_config.CheckboxColumn(
                "Edited", width=60, help="Whether one of the edits uses this feature"
            ),
        },
        alt="Features active on this prompt, by cosine with the refusal direction",
    )
    text = f"{len(shown):,} of {counted(of, 'feature')} active on this prompt"
    st.caption(f"{text}. Tick rows to select features." if len(shown) else f"{text}. Change the filters to see more.")
    picks = [row for row in selection.selection.rows if row < len(shown)]
    return [Feature(int(shown["layer"][row]), int(shown["index"][row])) for row in picks]


def _actions(picked: list[Feature]) -> None:
    none = not picked
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="feature_actions"):
        st.button(
            f"Ablate {len(picked)} selected" if picked else "Ablate selected",
            key="audit_ablate",
            type="primary",
            icon=":material/do_not_disturb_on:",
            disabled=none,
            on_click=_put,
            args=(picked, None),
            help="Subtracts what the feature writes, at every token: h̃ = h − f(h)·d, keeping the SAE's error.",
        )
        st.number_input("Clamp to", -1000.0, 1000.0, 6.0, 1.0, key=VALUE, width=130, help="In SAELens activation units")
        st.selectbox("at tokens", list(POSITIONS), key=POSITION, width=150, help="Which tokens the clamp acts on")
        st.button(
            "Clamp selected",
            key="audit_clamp",
            icon=":material/tune:",
            disabled=none,
            on_click=_put,
            args=(picked, VALUE),
        )


def _put(picked: list[Feature], value_key: str | None) -> None:
    try:
        if value_key is None:
            session.add_words(words_for(picked))
        else:
            value, positions = float(st.session_state[VALUE]), st.session_state[POSITION]
            session.add_words(words_for(picked, value, positions))
    except HydrascopeError as error:
        session.say(str(error))


def _identity(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
