"""The ways to look at the features, and which of them is chosen. Knows: the control. Does not know: what each draws."""

from __future__ import annotations

import streamlit as st

VIEW = "features_view"
TABLE, CARDS, MAP, GROUPS, PAPER = "Table", "Cards", "Map", "Groups", "Paper's tables"


def choose(read: bool) -> str:
    """read: whether the features were read, without which there are no tables of the paper."""
    views = [TABLE, CARDS, MAP, GROUPS, *([PAPER] if read else [])]
    if st.session_state.get(VIEW) not in views:
        st.session_state[VIEW] = TABLE
    view = st.segmented_control(
        "View", views, key=VIEW, required=True, label_visibility="collapsed", persist_state="session"
    )
    return str(view)
