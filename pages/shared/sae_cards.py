"""The quality cards of a model's SAEs, wherever their features are shown: a line, a table, a sentence about one layer.

Knows: cards as they lie beside the SAEs. Does not know: how they are measured. A suite without cards shows nothing.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core import ModelSpec
from core.saes.card import COLUMNS, SaeCard, cards_of, summary, table_rows
from pages.shared.text import plain


@st.cache_data(max_entries=64, show_spinner=False)
def _cards(name: str, places: tuple[str, ...], _spec: ModelSpec) -> dict[int, SaeCard]:
    return cards_of(_spec.saes)


def cards(spec: ModelSpec) -> dict[int, SaeCard]:
    """layer → the card of its SAE, for layers that have one."""
    return _cards(spec.name, tuple(map(str, spec.saes.values())), spec)


def line(spec: ModelSpec) -> str:
    """Between what and what the figures lie, as plain text; empty without cards."""
    return summary(cards(spec))


def caption(spec: ModelSpec) -> None:
    """The line below a table or chart of features; nothing without cards."""
    if quality := line(spec):
        st.caption(f"The SAEs: {plain(quality)}")


def about_layer(spec: ModelSpec, layer: int) -> str:
    """How good the SAE of one layer is, as plain text; empty without a card."""
    card = cards(spec).get(layer)
    return f"The SAE of layer {layer}: {card.sentence}." if card else ""


def table(spec: ModelSpec) -> None:
    """Every figure of every layer, in an expander with the summary above."""
    found = cards(spec)
    if not found:
        return
    with st.expander("How good the SAEs are", icon=":material/fact_check:", key="sae_cards"):
        st.caption(plain(summary(found)))
        st.dataframe(
            pd.DataFrame(table_rows(found)),
            hide_index=True,
            column_config={name: st.column_config.TextColumn(name, help=text) for name, text in COLUMNS.items()},
            alt="Quality of each layer's SAE on held-out chat text",
        )
        st.caption(
            "Measured on conversations that the SAEs were not trained on. “Random” is a dictionary of random "
            "directions with as many active features: what chance gives. In brackets: 95% intervals, over "
            "conversations, those of silent features over features."
        )
