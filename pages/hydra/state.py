"""What one visitor looks at on the Hydra page: which view, which round.

Knows: session state. Does not know: engines, stores, drawing, or prompt and edits, which are the workspace's.
"""

from __future__ import annotations

import streamlit as st

REPAIR, MAP, WHO, MATTER = "Self-repair", "Woken map", "Who wakes whom", "Do they matter?"
HEADS, DOSE = "Cut the heads", "Dose"
VIEWS = (REPAIR, MAP, WHO, MATTER, HEADS, DOSE)
VIEW, ONLY_BOS, ROUND = "hydra_view", "hydra_bos", "hydra_round"
REPAIR_STRENGTH, REPAIR_PARTS = "hydra_repair_strength", "hydra_repair_parts"
RULE, JUDGE = "hydra_rule", "hydra_judge"
WHOLE, BOS = "This prompt", "BOS alone"
_NEXT = "hydra_next"


def show(view: str, only_bos: bool = False) -> None:
    """Ask for a view from the next time the page is drawn: a widget's own value cannot be set once it is drawn."""
    st.session_state[_NEXT] = (view, BOS if only_bos else WHOLE)


def take() -> None:
    """Put what `show` was given into the widgets; before they are drawn."""
    if asked := st.session_state.pop(_NEXT, None):
        st.session_state[VIEW], st.session_state[ONLY_BOS] = asked
