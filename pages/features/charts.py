"""The Features page's charts: pure functions from numbers to Altair charts, and the same in words.

Knows: what is drawn and how it is labelled. Does not know: sessions, engines, widgets.
"""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import numpy as np
import pandas as pd

from core import Feature
from core.semantics.about import About
from core.semantics.categories import LEAST_AREA
from pages.shared.layered import layered

#: Pixels of a category's bar; and of a chart's axis, title and legend, which are part of its height in the browser.
_BAR, _AXIS = 20, 90
#: Bars of a histogram.
BINS = 20
#: Pixels of a category's lane on the map, and of its largest mark's area.
_LANE, _LARGEST = 46, 260
_ANSWERS = alt.Color(
    "answers:N", scale=alt.Scale(domain=["answers", "does not"], range=["#d55e00", "#8a949e"]), legend=None
)


def category_bars(found: About, feature: Feature) -> alt.LayerChart:
    """The area under the curve of every category as a small bar from 0.5, chance; those it answers to in colour."""
    place, tests = found.place[feature], found.tests
    frame = pd.DataFrame(
        {
            "category": list(tests.names),
            "area": tests.area[place],
            "start": 0.5,
            "rate": tests.rate[place],
            "q": tests.q[place],
            "prompts": list(tests.sizes),
            "answers": ["answers" if yes else "does not" for yes in tests.answers[place]],
        }
    )
    y = alt.Y(
        "category:N",
        sort=list(tests.names),
        title=None,
        axis=alt.Axis(labelLimit=190, labelOverlap=False, ticks=False, domain=False),
    )
    x = alt.X("area:Q", title="area under the curve", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5))
    bars = (
        alt.Chart(frame)
        .mark_bar(height=9)
        .encode(
            y=y,
            x=x,
            x2="start:Q",
            color=_ANSWERS,
            tooltip=[
                alt.Tooltip("category:N"),
                alt.Tooltip("area:Q", format=".2f"),
                alt.Tooltip("rate:Q", format=".0%", title="fires on"),
                alt.Tooltip("prompts:Q", title="of prompts"),
                alt.Tooltip("q:Q", format=".2g"),
            ],
        )
    )
    least = pd.DataFrame({"area": [LEAST_AREA]})
    mark = alt.Chart(least).mark_rule(strokeDash=[3, 3], color="#8a949e").encode(x="area:Q")
    return layered(bars, mark).properties(height=_BAR * len(frame) + _AXIS)


def category_words(found: About, feature: Feature) -> str:
    """The bars in a sentence."""
    place, tests = found.place[feature], found.tests
    parts = [
        f"{name} {area:.2f}{' (answers)' if yes else ''}"
        for name, area, yes in zip(tests.names, tests.area[place], tests.answers[place], strict=True)
    ]
    return f"Area under the curve by category: {', '.join(parts)}"


def histogram(found: About, feature: Feature) -> alt.Chart:
    """Prompts by the strongest activation on their own tokens, where it fires; harmful and contrast apart."""
    values = found.firing.own([feature])[:, 0]
    harmful = np.arange(len(values)) < len(found.prompts.texts)
    edges = np.linspace(0, float(values.max()) or 1.0, BINS + 1)
    parts = []
    for name, mine in (("harmful", harmful), ("contrast", ~harmful)):
        counts, _ = np.histogram(values[mine & (values > 0)], edges)
        parts.append(pd.DataFrame({"low": edges[:-1], "high": edges[1:], "prompts": counts, "kind": name}))
    return (
        alt.Chart(pd.concat(parts))
        .mark_bar()
        .encode(
            x=alt.X("low:Q", title="strongest activation on a prompt", bin="binned", axis=alt.Axis(tickCount=5)),
            x2="high:Q",
            y=alt.Y("prompts:Q", title="prompts", axis=alt.Axis(tickCount=3, format="d")),
            color=alt.Color(
                "kind:N",
                title=None,
                scale=alt.Scale(domain=["harmful", "contrast"], range=["#d55e00", "#0072b2"]),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["kind:N", alt.Tooltip("low:Q", format=".2f"), alt.Tooltip("prompts:Q")],
        )
        .properties(height=_AXIS + 110)
    )


def histogram_words(found: About, feature: Feature) -> str:
    """The histogram in a sentence."""
    fires = found.firing.own([feature])[:, 0] > 0
    n = len(found.prompts.texts)
    return (
        f"It fires on {int(fires[:n].sum())} of {n} harmful and {int(fires[n:].sum())} of {len(fires) - n} contrast "
        "prompts"
    )


def feature_map(frame: pd.DataFrame, column: str, order: Sequence[str]) -> alt.Chart:
    """Layer × category or group, a mark each feature, side by side in its cell; those that several prompts need larger.

    frame: feature, layer, label, `column`, prompts (how many need it, NaN where not known).
    """
    shown = frame.assign(row=frame[column].replace("", "none"), needed=frame["prompts"].fillna(1).astype(float))
    shown["slot"] = shown.groupby(["layer", "row"]).cumcount()
    present = [name for name in order if name in set(shown["row"])]
    return (
        alt.Chart(shown)
        .mark_point(filled=True, opacity=0.75, shape="circle")
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0, grid=True)),
            xOffset=alt.XOffset("slot:O"),
            y=alt.Y(
                "row:N", title=None, sort=present, axis=alt.Axis(labelLimit=170, grid=True, ticks=False, domain=False)
            ),
            size=alt.Size(
                "needed:Q",
                legend=None,
                scale=alt.Scale(type="sqrt", domain=[0, max(1.0, float(shown["needed"].max()))], range=[20, _LARGEST]),
            ),
            color=alt.Color("row:N", legend=None, sort=present),
            tooltip=[
                alt.Tooltip("feature:N"),
                alt.Tooltip("label:N"),
                alt.Tooltip("row:N", title=column),
                alt.Tooltip("prompts:Q", title="prompts that need it"),
            ],
        )
        .properties(height=60 + _LANE * max(1, len(present)))
    )


def map_words(frame: pd.DataFrame, column: str) -> str:
    """The map in a sentence."""
    counts = frame[column].replace("", "none").value_counts()
    return f"Features by layer and {column}: " + ", ".join(f"{name} {count}" for name, count in counts.items())
