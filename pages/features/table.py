"""The table of the features, and the one whose row was clicked. Knows: rows as a frame. Not what is in a card."""

from __future__ import annotations

import hashlib

import pandas as pd
import streamlit as st

from core import Feature
from core.edits.feature_sets import features_of
from core.labels.notes import Labels
from pages.shared.feature_text import short
from pages.shared.number_table import with_true_minus
from pages.shared.text import counted

_SHOWN = (
    "feature",
    "label",
    "verdict",
    "strongest in",
    "area",
    "role",
    "effect",
    "score",
    "shuffled",
    "better",
    "group",
    "prompts",
    "cosine",
    "source",
)


def draw(frame: pd.DataFrame, of: int, labels: Labels) -> Feature | None:
    """The table; returns the feature whose row was clicked."""
    features = features_of(frame) if len(frame) else []
    shown = frame.assign(label=[short(labels, feature) for feature in features])
    missing = {name for name in _SHOWN if name not in shown or shown[name].isna().all()}
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    key = f"features_{hashlib.sha256(repr([str(f) for f in features]).encode()).hexdigest()[:12]}"
    selection = st.dataframe(
        with_true_minus(shown, {"effect": "+.2f", "cosine": "+.3f"}),
        key=key,
        height=min(420, 40 + 30 * max(3, len(shown))),
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        row_height=30,
        column_order=[name for name in _SHOWN if name not in missing],
        column_config={
            "feature": text("Feature", help="layer-index", width=72, pinned=True),
            "label": text("Label", width="medium"),
            "verdict": text("Answers to", help="One category, several, mixed (in a category and as much outside it)"),
            "strongest in": text("Category", help="The category it answers to most clearly"),
            "area": number("Area", format="%.2f", width=62, help="Highest area under the curve of any category"),
            "role": text("Role"),
            "effect": number(
                "Effect",
                width=62,
                help="How far the refusal score moves when this feature alone is ablated, on harmful prompts on which "
                "it fires",
            ),
            "score": number("Label score", format="%.2f", width=84, help="Detection on these prompts; 0.5 is chance"),
            "shuffled": number("Shuffled", format="%.2f", width=74, help="The mean score of other labels on it"),
            "better": text(
                "Beats chance",
                width=84,
                help="Whether the label does better than other labels on it; where these are too few, neither can be "
                "said",
            ),
            "group": text("Label’s group"),
            "prompts": number("Prompts", width=70, help="Prompts whose minimal set has it"),
            "cosine": number("Cosine", width=76, help="Of the decoder row with the refusal direction"),
            "source": text("Source of the label", width=84),
        },
        placeholder="",
        alt=f"{counted(len(shown), 'feature')} with what each is about",
    )
    end = " Click a row’s box to see its card." if len(shown) else " Change the filters to see more."
    st.caption(f"{len(shown):,} of {counted(of, 'feature')}.{end}")
    chosen = [row for row in selection.selection.rows if row < len(features)]
    return features[chosen[0]] if chosen else None
