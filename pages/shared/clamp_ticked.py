"""Holding the features whose rows are ticked at a value instead of ablating them.

Knows: the widgets of the popover. Does not know: the table, or which rows are ticked.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core import POSITIONS, Feature, HydrascopeError
from pages.shared import notice
from pages.shared.text import counted
from pages.shared.workspace import session
from pages.shared.workspace.state import with_clamps

VALUE, POSITION = "audit_clamp_value", "audit_clamp_position"


def popover(ticked: Sequence[Feature]) -> None:
    """The value, the tokens, and the button. ticked: features whose edits are on."""
    with st.popover("Clamp instead of ablate", icon=":material/tune:", type="tertiary", key="feature_actions"):
        st.caption("Ablating subtracts what a feature writes: h̃ = h − f(h)·d. Clamping holds it at a value.")
        st.number_input(
            "Clamp to",
            -1000.0,
            1000.0,
            6.0,
            1.0,
            key=VALUE,
            help="In SAELens activation units",
            persist_state="session",
        )
        st.selectbox(
            "at tokens", list(POSITIONS), key=POSITION, help="Which tokens the clamp acts on", persist_state="session"
        )
        st.button(
            f"Clamp the {counted(len(ticked), 'ticked feature')}",
            key="audit_clamp",
            icon=":material/tune:",
            disabled=not ticked,
            on_click=_put,
            args=(list(ticked),),
            help=None if ticked else "Tick a feature in the table first.",
        )


def _put(ticked: list[Feature]) -> None:
    try:
        value, positions = float(st.session_state[VALUE]), st.session_state[POSITION]
        session.change(with_clamps(session.current(), ticked, value, positions))
    except HydrascopeError as error:
        notice.say(str(error))
