"""Which judge a search goes by: a box with every judge by name, and how far the chosen one agrees with people.

Knows: names of judges. Does not know: how they judge, or what a search does. A classifier loads a model of its own.
"""

from __future__ import annotations

import streamlit as st

from core.judges.names import ABOUT, FIRST_TOKEN, USUAL, judge_names
from pages.shared.text import plain
from pages.shared.verdicts import agreement


def choose_judge(key: str) -> str:
    """The chosen judge's name. “first-token” is left out: it reads no answer."""
    names = [name for name in judge_names() if name != FIRST_TOKEN]
    chosen = str(
        st.selectbox(
            "Judge of the answers",
            names,
            index=names.index(USUAL),
            key=key,
            persist_state="session",
            help="What decides whether an answer refuses, complies, or is something else. A classifier decides only "
            "whether an answer does what was requested; the wordings decide the rest.",
        )
    )
    st.caption(f"{plain(ABOUT[chosen])} {plain(agreement(chosen))}")
    return chosen
