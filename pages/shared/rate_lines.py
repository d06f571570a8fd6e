"""Shares with their intervals, a line each, as the Discover and the Judges page draw them.

Knows: rates as a frame. Does not know: what they are rates of, colours.
"""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from pages.shared.layered import layered

#: Every share there can be.
SHARE = alt.Scale(domain=[0, 1])


def rate_lines(
    frame: pd.DataFrame, name: str, title: str, tooltip: list[Any], colour: alt.Color, names: str
) -> alt.LayerChart:
    """frame: rate, low, high, series (which of `colour`'s domain a line is), and `name`, the column with their names.

    Names stand over their lines and not beside them, so that a phone has room for both. names: their series.
    """
    y = alt.Y(f"{name}:N", sort=None, axis=None)
    base = alt.Chart(frame).encode(y=y, color=colour)
    axis = alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1])
    return layered(
        base.mark_rule(strokeWidth=3, opacity=0.45, yOffset=8).encode(
            x=alt.X("low:Q", scale=SHARE, axis=axis, title=title), x2="high:Q"
        ),
        base.mark_point(filled=True, size=80, opacity=1, yOffset=8).encode(
            x=alt.X("rate:Q", scale=SHARE), tooltip=tooltip
        ),
        alt.Chart(frame.assign(series=names))
        .mark_text(align="left", baseline="middle", dy=-9, fontSize=12)
        .encode(y=y, x=alt.value(0), text=f"{name}:N", color=colour),
    ).properties(height=alt.Step(42))
