"""A sentence for this visitor, shown once: kept by a click, and shown by the run that follows it.

Knows: session state. Does not know: what is said, or where pages show it.
"""

from __future__ import annotations

from typing import NoReturn

import streamlit as st

_KEPT, _SHOWN = "notice", "notice_shown"


def say(sentence: str) -> None:
    """Keep a sentence for this visitor's next run, instead of one that is kept already."""
    st.session_state[_KEPT] = sentence


def add(sentence: str) -> None:
    """Say this too, behind what is kept already; nothing where it is empty."""
    if sentence:
        say(" ".join(filter(None, (st.session_state.get(_KEPT), sentence))))


def take() -> str | None:
    """The sentence kept, once."""
    found: str | None = st.session_state.pop(_KEPT, None)
    st.session_state[_SHOWN] = found
    return found


def draw_again() -> NoReturn:
    """Draw the page once more, with the sentence that this run has shown or is to show."""
    if sentence := st.session_state.get(_KEPT) or st.session_state.get(_SHOWN):
        say(sentence)
    st.rerun()
