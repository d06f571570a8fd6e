"""The BOS page's charts: pure functions from frames to Altair charts, and the same in words.

Knows: what is drawn and how it is labelled. Does not know: sessions, engines, widgets. Colours are places in the
theme's palette, so light and dark recolour them in the browser; groups differ by shape too.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from pages.shared.layered import layered
from pages.shared.text import signed

_GREY = "·grey"
_GROUPS = ["attacked", "benign", "look-alikes"]
# A name for each of the palette's places; the first two mean refusal and compliance, so no prompt has them.
_PLACES = ["·refusal", "·compliance"]
_KIND = alt.Scale(domain=[*_GROUPS, "·4", "·5", "·6", _GREY])


def scores(frame: pd.DataFrame, at: float) -> alt.LayerChart:
    """Refusal score over the clamp's value, a line a prompt; dashed: without a clamp. at: the value chosen.

    frame: prompt, value, score, p, unclamped.
    """
    prompts = list(dict.fromkeys(frame["prompt"]))
    scale = alt.Scale(domain=[*_PLACES, *prompts])
    legend = alt.Legend(orient="bottom", title=None, columns=1, labelLimit=320, values=prompts, symbolType="stroke")
    colour = alt.Color("prompt:N", scale=scale, legend=legend)
    x = alt.X("value:Q", title="clamp value", scale=alt.Scale(nice=False))
    y = alt.Y("score:Q", title="refusal score")
    lines = (
        alt.Chart(frame)
        .mark_line(point=alt.OverlayMarkDef(size=22), strokeWidth=2.2)
        .encode(
            x=x,
            y=y,
            color=colour,
            tooltip=[
                "prompt:N",
                alt.Tooltip("value:Q", format="g"),
                alt.Tooltip("score:Q", title="refusal score", format="+.2f"),
                alt.Tooltip("unclamped:Q", title="without a clamp", format="+.2f"),
                alt.Tooltip("p:Q", title="P(refusal token)", format=".3f"),
            ],
        )
    )
    bare = frame.drop_duplicates("prompt")
    without = alt.Chart(bare).mark_rule(strokeDash=[3, 4], opacity=0.7).encode(y="unclamped:Q", color=colour)
    ink = alt.Color("ink:N", scale=_KIND, legend=None)
    here = alt.Chart(pd.DataFrame({"at": [at], "ink": _GREY})).mark_rule(strokeWidth=1.5, opacity=0.8)
    chosen = here.encode(x="at:Q", color=ink)
    zero = alt.Chart(pd.DataFrame({"zero": [0.0], "ink": _GREY})).mark_rule(opacity=0.5).encode(y="zero:Q", color=ink)
    layers = layered(layered(zero, chosen), layered(without, lines))
    return layers.resolve_scale(color="independent").properties(height=420)


def scores_summary(frame: pd.DataFrame) -> str:
    """The same in words."""
    parts = []
    for prompt, part in frame.groupby("prompt", sort=False):
        first, last = part.iloc[0], part.iloc[-1]
        parts.append(
            f"{prompt}: {signed(first['unclamped'], 1)} without a clamp, "
            f"{signed(first['score'], 1)} at {first['value']:g}, "
            f"{signed(last['score'], 1)} at {last['value']:g}"
        )
    return "Refusal score by value. " + "; ".join(parts)


def rates(frame: pd.DataFrame, verdict: str, clamps: list[str]) -> alt.LayerChart:
    """The share of answers with one verdict by value and group, with intervals. frame: rows of `long_table`."""
    shown = frame[frame["verdict"] == verdict]
    present = [group for group in _GROUPS if group in set(shown["group"])]
    x = alt.X("clamp:N", sort=clamps, title="clamp value", axis=alt.Axis(labelAngle=0))
    offset = alt.XOffset("group:N", sort=present)
    axis = alt.Axis(format="%")
    scale = alt.Scale(domain=[0, 1])
    legend = alt.Legend(orient="top", title=None, values=present, symbolOpacity=1)
    colour = alt.Color("group:N", scale=_KIND, legend=legend)
    shape = alt.Shape(
        "group:N",
        scale=alt.Scale(domain=_GROUPS, range=["square", "circle", "triangle-up"]),
        legend=alt.Legend(orient="top", title=None, values=present, symbolOpacity=1),
    )
    tooltip = [
        "clamp:N",
        "group:N",
        alt.Tooltip("count:Q", title=verdict, format="d"),
        alt.Tooltip("n:Q", format="d"),
        alt.Tooltip("rate:Q", format=".0%"),
        alt.Tooltip("low:Q", title="95% from", format=".0%"),
        alt.Tooltip("high:Q", title="to", format=".0%"),
        alt.Tooltip("p:Q", title="p against no clamp", format=".2g"),
        alt.Tooltip("p_holm:Q", title="p, corrected (Holm)", format=".2g"),
    ]
    base = alt.Chart(shown).encode(x=x, xOffset=offset, color=colour)
    return layered(
        base.mark_rule(strokeWidth=2.5, opacity=0.5).encode(
            y=alt.Y("low:Q", scale=scale, axis=axis, title=verdict), y2="high:Q"
        ),
        base.mark_point(filled=True, size=70, opacity=1).encode(
            y=alt.Y("rate:Q", scale=scale, axis=axis, title=verdict), shape=shape, tooltip=tooltip
        ),
    ).properties(height=240)


def rates_summary(frame: pd.DataFrame, verdict: str) -> str:
    """The same in words."""
    shown = frame[frame["verdict"] == verdict]
    return f"Share {verdict}. " + "; ".join(
        f"{row.group}, {row.clamp}: {row.rate:.0%} of {row.n}" for row in shown.itertuples()
    )
