"""The pages' style sheet, and the colour of text in charts.

Knows: where the sheet lies. Does not know: what it says.
"""

from __future__ import annotations

from pathlib import Path

import altair as alt
import streamlit as st

_STYLE = Path(__file__).resolve().parent / "style.css"
#: Text on axes and legends: on a light ground, on a dark one. Streamlit's own grey is too faint in the light.
CHART_TEXT = ("#4b5764", "#b3bbc4")


def use_style() -> None:
    """Put the style sheet into the page."""
    st.html(_STYLE)


@alt.theme.register("hydrascope", enable=True)
def _chart_theme() -> alt.theme.ThemeConfig:
    """Joined with Streamlit's theme in the browser, where the chart knows its ground."""
    light, dark = CHART_TEXT
    ink = {"expr": f"luminance(background) > 0.4 ? '{light}' : '{dark}'"}
    text = {"labelColor": ink, "titleColor": ink}
    return {"config": {"axis": text, "legend": text, "header": text}}  # type: ignore[typeddict-item]
