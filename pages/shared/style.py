"""The pages' style sheet. Knows: where it lies. Does not know: what it says."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_STYLE = Path(__file__).resolve().parent / "style.css"


def use_style() -> None:
    """Put the style sheet into the page."""
    st.html(_STYLE)
