"""What one visitor is looking at on the Discover page: which runs, and which part of their results.

Knows: session state. Does not know: stores, engines, drawing.
"""

from __future__ import annotations

import streamlit as st

from pages.shared.workspace import session

RUN, OTHER, VIEW = "discover_run", "discover_other", "discover_view"
SAME_SEARCH = "discover_same_search"
_CHOSEN = "discover_chosen"


def select_run(run: str) -> None:
    """Show this run from the next time the page is drawn."""
    st.session_state[_CHOSEN] = run


def take_chosen() -> None:
    """Put what `choose` was given into the box; before the box is drawn."""
    if run := st.session_state.pop(_CHOSEN, None):
        st.session_state[RUN] = run


def open_on_audit(prompt: str, features: list[str]) -> None:
    """Hand a prompt and a feature set over to the Audit page, and go there."""
    session.set_both(prompt, features)
    session.go_to(session.AUDIT_PAGE)
