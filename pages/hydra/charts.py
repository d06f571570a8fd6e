"""The Hydra page's charts: pure functions from frames to Altair charts, and the same in words.

Knows: what is drawn and how it is labelled. Does not know: sessions, engines, widgets. Colours are places in the
theme's palette, so light and dark recolour them in the browser; edited, woken and control differ by shape or dash too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.text.json_text import json_text
from pages.shared.layered import layered
from pages.shared.text import visible

EDITED, WOKEN, CONTROL, NEARLY = "edited", "woken", "control", "nearly woken"
# A name for each of the palette's seven places; those not drawn here hold their place.
_COLOUR = alt.Scale(domain=["·1", "·2", NEARLY, WOKEN, "·5", EDITED, CONTROL])
_SHAPE = alt.Scale(domain=[WOKEN, EDITED], range=["circle", "square"])
# A mark without a colour would be black in the dark; layers of one chart share one encoding, or the legend loses it.
_KIND = alt.Color("kind:N", scale=_COLOUR, legend=None)
_SERIES = alt.Color("series:N", scale=_COLOUR, legend=None)
#: Features named when one points at a cell, and edges drawn between layers.
NAMED, EDGES = 5, 60
#: Pixels of a lane of the woken map, and the area of its largest mark, which fits into the lane.
_LANE = 17
_LARGEST = 170


def cells(marks: pd.DataFrame, kind: str, label: Callable[[int, int], str]) -> pd.DataFrame:
    """Marks joined cell by cell, so that hundreds stay smooth: kind, layer, position, features, activation, strongest.

    marks: layer, index, position, activation. label(layer, index): what a feature is about.
    """
    rows = []
    ordered = marks.sort_values("activation", ascending=False)
    for (layer, position), part in ordered.groupby(["layer", "position"], sort=True):
        names = [
            f"{layer}-{index} {label(int(layer), int(index))}".strip() for index in part["index"].to_numpy()[:NAMED]
        ]
        more = f" and {len(part) - NAMED} more" if len(part) > NAMED else ""
        rows.append((kind, layer, position, len(part), float(part["activation"].sum()), "; ".join(names) + more))
    return pd.DataFrame(rows, columns=["kind", "layer", "position", "features", "activation", "strongest"])


def woken_map(
    frame: pd.DataFrame, pieces: Sequence[str], places: Sequence[int], layers: Sequence[int]
) -> alt.LayerChart:
    """Layer × token; squares are edited features where they fired, circles what woke (paper, Fig. 2).

    frame: rows of `cells`. places: the positions shown, in order. layers: the SAE layers, each a row.
    """
    order = {position: place for place, position in enumerate(places)}
    shown = frame[frame["position"].isin(order)]
    shown = shown.assign(place=shown["position"].map(order), token=[visible(pieces[int(p)]) for p in shown["position"]])
    names = json_text([_short(visible(pieces[p])) if p else "BOS" for p in places])
    x = alt.X(
        "place:O",
        title=None,
        scale=alt.Scale(domain=list(range(len(places)))),
        axis=alt.Axis(labelExpr=f"{names}[datum.value]", labelAngle=-60, labelLimit=90, ticks=False, domain=False),
    )
    scale = alt.Scale(domain=list(layers), paddingInner=0, paddingOuter=0)
    y = alt.Y(
        "layer:O",
        title="layer",
        sort="descending",
        scale=scale,
        axis=alt.Axis(ticks=False, domain=False, grid=True, tickBand="extent"),
    )
    # Each row has two lanes, so that a square and a circle of one token stand above each other and never overlap.
    lane = alt.YOffset("kind:N", scale=alt.Scale(domain=[EDITED, WOKEN]))
    colour = alt.Color("kind:N", scale=_COLOUR, legend=_legend(EDITED, WOKEN))
    # BOS activations are tens of times larger; sizes are for the tokens, and BOS stops at the largest.
    elsewhere = shown.loc[shown["position"] > 0, "activation"]
    most = float(elsewhere.max()) if len(elsewhere) else float(shown["activation"].max() if len(shown) else 1.0)
    size = alt.Scale(type="sqrt", domain=[0, most], range=[8, _LARGEST], clamp=True)
    marks = (
        alt.Chart(shown)
        .mark_point(filled=True, opacity=0.75)
        .encode(
            x=x,
            y=y,
            size=alt.Size("activation:Q", scale=size, legend=None),
            color=colour,
            shape=alt.Shape("kind:N", scale=_SHAPE, legend=None),
            yOffset=lane,
            tooltip=[
                alt.Tooltip("kind:N", title="kind"),
                alt.Tooltip("layer:O", title="layer"),
                alt.Tooltip("token:N", title="token"),
                alt.Tooltip("position:Q", title="position", format="d"),
                alt.Tooltip("features:Q", title="features", format="d"),
                alt.Tooltip("activation:Q", title="activation, summed", format=".1f"),
                alt.Tooltip("strongest:N", title="strongest"),
            ],
        )
    )
    parts: list[alt.Chart] = [marks]
    if 0 in order:
        free = pd.DataFrame([(order[0], layer, lane, CONTROL) for layer in layers for lane in (EDITED, WOKEN)])
        free.columns = pd.Index(["place", "layer", "lane", "kind"])
        both = alt.YOffset("lane:N", scale=alt.Scale(domain=[EDITED, WOKEN]))
        parts.insert(0, alt.Chart(free).mark_rect(opacity=0.12).encode(x=x, y=y, yOffset=both, color=colour))
    return layered(*parts).properties(height=90 + 2 * _LANE * len(layers))


def woken_summary(frame: pd.DataFrame, woken: int, edited: int) -> str:
    """The map in a sentence."""
    if not woken:
        return f"{edited} edited features fire, no feature woke"
    by_layer = frame[frame["kind"] == WOKEN].groupby("layer")["features"].sum().sort_values(ascending=False)
    most = ", ".join(f"layer {layer}" for layer in by_layer.index[:3])
    return f"{edited} edited features fire, {woken} woke, most of them in {most}"


def margins(frame: pd.DataFrame) -> alt.LayerChart:
    """How far from its threshold each feature was and is. frame: feature, state, before, after, threshold, label."""
    shown = frame.assign(
        asleep=frame["before"] - frame["threshold"],
        awake=frame["after"] - frame["threshold"],
        kind=np.where(frame["state"] == "woken", WOKEN, NEARLY),
    )
    y = alt.Y(
        "feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=200, ticks=False, domain=False, labelOverlap=False)
    )
    title = "pre-activation above its threshold (0: begins to fire)"
    tooltip = [
        alt.Tooltip("feature:N", title="feature"),
        alt.Tooltip("label:N", title="about"),
        alt.Tooltip("before:Q", title="before", format=".2f"),
        alt.Tooltip("after:Q", title="after", format=".2f"),
        alt.Tooltip("threshold:Q", title="threshold", format=".2f"),
    ]
    colour = alt.Color("kind:N", scale=_COLOUR, legend=_legend(WOKEN, NEARLY))
    base = alt.Chart(shown).encode(y=y, color=colour)
    return layered(
        alt.Chart(pd.DataFrame({"x": [0], "kind": CONTROL}))
        .mark_rule(strokeDash=[3, 3], opacity=0.6)
        .encode(x="x:Q", color=colour),
        base.mark_rule(strokeWidth=1.5).encode(x=alt.X("asleep:Q", title=title), x2="awake:Q"),
        base.mark_point(size=36, strokeWidth=1.5).encode(x="asleep:Q", tooltip=tooltip),
        base.mark_point(size=52, filled=True, opacity=1).encode(x="awake:Q", tooltip=tooltip),
    ).properties(height=alt.Step(19))


def holds_down(links: pd.DataFrame) -> alt.LayerChart:
    """Which edited feature held which dormant one down: left of an edge what was edited, right what woke.

    links: left_out, layer_out, woken, layer, effect; strongest first.
    A node stands at its layer, spread over the height.
    """
    edges = links.head(EDGES).reset_index(drop=True)
    ends = pd.concat(
        [
            edges[["left_out", "layer_out"]].set_axis(["name", "layer"], axis=1).assign(kind=EDITED),
            edges[["woken", "layer"]].set_axis(["name", "layer"], axis=1).assign(kind=WOKEN),
        ]
    ).drop_duplicates(["name", "kind"])
    nodes = ends.sort_values(["layer", "kind", "name"], ignore_index=True)
    nodes["height"] = nodes.groupby("layer").cumcount()
    crowd = nodes.groupby("layer")["height"].transform("max")
    nodes["height"] = np.where(crowd > 0, nodes["height"] / crowd.clip(lower=1), 0.5)
    nodes["x"] = nodes["layer"] + np.where(nodes["kind"] == WOKEN, 0.12, -0.12)
    places = nodes.set_index(["kind", "name"])[["x", "height"]]
    a = places.loc[[(EDITED, name) for name in edges["left_out"]]].to_numpy()
    b = places.loc[[(WOKEN, name) for name in edges["woken"]]].to_numpy()
    edges = edges.assign(kind=CONTROL, x=a[:, 0], y=a[:, 1], x2=b[:, 0], y2=b[:, 1])
    x = alt.X(
        "x:Q",
        title="layer",
        scale=alt.Scale(zero=False, nice=False, padding=24),
        axis=alt.Axis(tickMinStep=1, format="d"),
    )
    y = alt.Y("height:Q", axis=None, scale=alt.Scale(domain=[-0.06, 1.06]))
    colour = alt.Color("kind:N", scale=_COLOUR, legend=_legend(EDITED, WOKEN))
    lines = (
        alt.Chart(edges)
        .mark_rule()
        .encode(
            color=colour,
            x=x,
            x2="x2:Q",
            y=alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[-0.06, 1.06])),
            y2="y2:Q",
            strokeWidth=alt.StrokeWidth("effect:Q", scale=alt.Scale(range=[0.5, 4]), legend=None),
            opacity=alt.Opacity("effect:Q", scale=alt.Scale(range=[0.2, 0.8]), legend=None),
            tooltip=[
                alt.Tooltip("left_out:N", title="feature left on"),
                alt.Tooltip("woken:N", title="loses activation"),
                alt.Tooltip("effect:Q", title="activation held down", format=".2f"),
            ],
        )
    )
    points = (
        alt.Chart(nodes)
        .mark_point(filled=True, size=70, opacity=1)
        .encode(
            x=x, y=y, color=colour, shape=alt.Shape("kind:N", scale=_SHAPE, legend=None), tooltip=["kind:N", "name:N"]
        )
    )
    return layered(lines, points).properties(height=380)


def rounds(frame: pd.DataFrame, column: str, title: str, at: int) -> alt.LayerChart:
    """A quantity round by round, the heads and their control. frame: round, series, and `column`; at: the one shown."""
    x = alt.X("round:Q", title="round", scale=alt.Scale(zero=False), axis=alt.Axis(tickMinStep=1, format="d"))
    dash = alt.StrokeDash("series:N", scale=alt.Scale(domain=[WOKEN, CONTROL], range=[[1, 0], [4, 3]]), legend=None)
    legend = _legend(WOKEN, CONTROL)
    legend.labelExpr = f"datum.value == '{WOKEN}' ? 'heads cut' : 'control'"
    colour = alt.Color("series:N", scale=_COLOUR, legend=legend)
    lines = (
        alt.Chart(frame)
        .mark_line(point=alt.OverlayMarkDef(size=40), strokeWidth=2.4)
        .encode(
            x=x,
            y=alt.Y(f"{column}:Q", title=title),
            strokeDash=dash,
            color=colour,
            tooltip=["series:N", "round:Q", alt.Tooltip(f"{column}:Q", title=title, format=".3f")],
        )
    )
    here = (
        alt.Chart(pd.DataFrame({"round": [at], "series": CONTROL}))
        .mark_rule(strokeDash=[2, 3], opacity=0.7)
        .encode(x=x, color=colour)
    )
    parts = [here, *_intervals(frame, column, x, colour), lines]
    return layered(*parts).properties(height=200)


def dose(frame: pd.DataFrame, column: str, title: str) -> alt.LayerChart:
    """A quantity over the strength of the ablation; the rule stands at 1, the edits as they are."""
    x = alt.X("strength:Q", title="strength of the ablation")
    line = (
        alt.Chart(frame.assign(series=WOKEN))
        .mark_line(point=alt.OverlayMarkDef(size=30), strokeWidth=2.4)
        .encode(
            x=x,
            y=alt.Y(f"{column}:Q", title=title),
            color=_SERIES,
            tooltip=[alt.Tooltip("strength:Q", format=".2f"), alt.Tooltip(f"{column}:Q", title=title, format=".3f")],
        )
    )
    one = (
        alt.Chart(pd.DataFrame({"strength": [1.0], "series": CONTROL}))
        .mark_rule(strokeDash=[2, 3], opacity=0.7)
        .encode(x=x, color=_SERIES)
    )
    return layered(one, *_intervals(frame.assign(series=WOKEN), column, x, _SERIES), line).properties(height=200)


def _intervals(frame: pd.DataFrame, column: str, x: alt.X, colour: alt.Color) -> list[alt.Chart]:
    """The 95% intervals of a mean over prompts, where the frame has them; what is one prompt's has none."""
    low, high = f"{column}_low", f"{column}_high"
    if low not in frame or frame[low].isna().all():
        return []
    rules = alt.Chart(frame[frame[low].notna()]).mark_rule(strokeWidth=2.5, opacity=0.4)
    return [rules.encode(x=x, color=colour, y=alt.Y(f"{low}:Q", title=None), y2=f"{high}:Q")]


def matters(frame: pd.DataFrame) -> alt.LayerChart:
    """What ablating each group of woken features too does to the refusal score, and as many random ones.

    frame: group, features, difference, control, control_low, control_high (all differences of the refusal score).
    """
    y = alt.Y("group:N", sort=None, title=None, axis=alt.Axis(labelLimit=200))
    title = "change in the refusal score"
    tooltip = [
        alt.Tooltip("group:N"),
        alt.Tooltip("features:Q", format="d"),
        alt.Tooltip("difference:Q", title="with the group also ablated", format="+.3f"),
        alt.Tooltip("control:Q", title="with as many random features, mean", format="+.3f"),
        alt.Tooltip("control_low:Q", title="lowest draw", format="+.3f"),
        alt.Tooltip("control_high:Q", title="highest draw", format="+.3f"),
    ]
    x = alt.X("difference:Q", title=title)
    bars = alt.Chart(frame.assign(kind=WOKEN)).mark_bar(height=12).encode(y=y, x=x, color=_KIND, tooltip=tooltip)
    random = alt.Chart(frame.assign(kind=CONTROL)).encode(y=y, color=_KIND, tooltip=tooltip)
    spread = random.mark_rule(strokeWidth=3).encode(x=alt.X("control_low:Q", title=title), x2="control_high:Q")
    ticks = random.mark_tick(thickness=3, height=20).encode(x=alt.X("control:Q", title=title))
    return layered(bars, spread, ticks).properties(height=alt.Step(26))


def _legend(*names: str) -> alt.Legend:
    """The names that are drawn, over the chart."""
    return alt.Legend(orient="top", title=None, values=list(names), symbolOpacity=1)


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
