"""The map of the features by layer, the paper's counts, and the groups of labels, which a person may rename.

Knows: what is drawn. Does not know: how anything is tested.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.discovery.tables.export import is_share
from core.semantics.about import About
from core.semantics.groups import UNGROUPED, UNLABELLED
from core.semantics.tables import about_tables
from pages.features import charts
from pages.features.rows import NAMES
from pages.shared.downloads import download
from pages.shared.text import plain

BY = "features_map_by"
CATEGORY, GROUP = "category", "group"


def draw(frame: pd.DataFrame, found: About | None) -> None:
    """Layer by category where the features were read, or by the label's group."""
    options = [CATEGORY, GROUP] if found is not None else [GROUP]
    if st.session_state.get(BY) not in options:
        st.session_state[BY] = options[0]
    by = st.segmented_control(
        "Rows", options, key=BY, required=True, label_visibility="collapsed", persist_state="session"
    )
    column = "strongest in" if by == CATEGORY else "group"
    order = [*(found.tests.names if found is not None else ()), "none"]
    if by == GROUP:
        order = list(frame["group"].value_counts().index)
    shown = frame.rename(columns={column: str(by)})
    st.altair_chart(
        charts.feature_map(shown, str(by), order), key=f"features_map_{by}", alt=charts.map_words(shown, str(by))
    )
    st.caption(
        "Each mark is a feature. Features that more prompts need are larger. “none”: it answers to no category."
        if by == CATEGORY
        else "Each mark is a feature. Features that more prompts need are larger."
    )
    download(frame, "features")


def groups(frame: pd.DataFrame, key: str) -> None:
    """The groups of labels, to be renamed: two groups of one name are one. key: names the set."""
    names = dict(st.session_state.get(NAMES, {}).get(key, {}))
    counts = frame["group"].value_counts()
    table = pd.DataFrame({"group": counts.index, "name": counts.index, "features": counts.to_numpy()})
    table["labels"] = [" | ".join(frame.loc[frame["group"] == g, "label"].head(3)) for g in counts.index]
    edited = st.data_editor(
        table,
        key=f"features_groups_{key}_{len(names)}",
        hide_index=True,
        column_config={
            "group": None,
            "name": st.column_config.TextColumn("Name (click to change)"),
            "features": st.column_config.NumberColumn("Features", disabled=True, help="How many are in it"),
            "labels": st.column_config.TextColumn("Some labels", disabled=True, help="The first three of the group"),
        },
        alt="Groups of labels",
    )
    changed = {
        str(old): str(new).strip()
        for old, new in zip(edited["group"], edited["name"], strict=True)
        if new and str(new).strip() != old
    }
    if changed:
        joined = {old: changed.get(new, new) for old, new in names.items()}
        st.session_state[NAMES] = {**st.session_state.get(NAMES, {}), key: joined | changed}
        st.rerun()
    st.caption(
        f"Groups of labels with words in common, named by the words that set them apart. “{UNGROUPED}”: near no other "
        f"label; “{UNLABELLED}”: nothing is known. Give two groups one name to join them. Text vectors are tf-idf, "
        "which sees shared words and not shared meaning."
    )


def tables(found: About) -> None:
    """The paper's tables of this set, beside random active features."""
    for table in about_tables(found)[1:]:
        st.subheader(table.title, anchor=False)
        formats = {
            str(name): st.column_config.NumberColumn(format="percent" if is_share(str(name)) else "%.4g")
            for name in table.frame.columns
            if pd.api.types.is_float_dtype(table.frame[name])
        }
        st.dataframe(
            table.frame, hide_index=True, column_config=formats, key=f"features_table_{table.name}", alt=table.title
        )
        st.caption(plain(table.note))
        download(table.frame, table.name)
