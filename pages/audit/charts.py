"""The audit's charts: pure functions from frames to Altair charts.

Knows: what is drawn and how it is labelled. Does not know: sessions, engines, widgets.
Colours are places in the theme's own palette (`.streamlit/config.toml`), never fixed values, so that a switch between
light and dark recolours a chart in the browser: first refusal (vermilion), second compliance (blue), third the edited
prompt (green), last the unedited one (slate).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import altair as alt
import numpy as np
import pandas as pd

from core.text.json_text import json_text
from pages.shared.layered import layered
from pages.shared.text import signed, visible
from pages.shared.workspace.state import PINNED

HARMFUL, BENIGN, AFTER, BEFORE = "harmful", "benign", "after", "before"
# A name for each of the palette's places, in its order. Text is in the last but one, which can be read on both grounds.
PLACES = [HARMFUL, BENIGN, AFTER, *PINNED[:3], BEFORE, PINNED[3]]
_COLOUR = alt.Color("series:N", scale=alt.Scale(domain=PLACES), legend=None)
#: Height of the layer chart in pixels; labels closer than `_APART` of it are moved apart.
_HEIGHT, _APART = 195, 0.095


#: Of the reference prompts, what a download has beside the lines.
_EXPORTED = ["low", "median", "high", "prompts", "mean", "mean_low", "mean_high"]


def line_frame(
    before: np.ndarray, after: np.ndarray | None, pinned: Mapping[str, np.ndarray] | None = None
) -> pd.DataFrame:
    """series, layer, cosine of the prompt before the edits and, where there are any, after them; then under each pinned
    set, by its name.
    """
    parts = [(BEFORE, before)] + ([] if after is None else [(AFTER, after)]) + list((pinned or {}).items())
    return pd.concat(
        [pd.DataFrame({"series": name, "layer": np.arange(len(cosine)), "cosine": cosine}) for name, cosine in parts],
        ignore_index=True,
    )


def layer_table(bands: pd.DataFrame, lines: pd.DataFrame) -> pd.DataFrame:
    """One row a layer with everything the chart draws, for a download."""
    table = lines.pivot(index="layer", columns="series", values="cosine")
    for kind, part in bands.groupby("kind"):
        table = table.join(part.set_index("layer")[_EXPORTED].add_prefix(f"{kind}_"))
    return table.reset_index()


def layer_summary(lines: pd.DataFrame, direction_layer: int) -> str:
    """The chart in a sentence, for who cannot see it."""
    at = lines[lines["layer"] == direction_layer].set_index("series")["cosine"]
    after = f", {signed(at[AFTER])} after the edits" if AFTER in at else ""
    return f"Cosine with the refusal direction by layer: {signed(at[BEFORE])} at layer {direction_layer}{after}"


def reach(parts: Sequence[np.ndarray]) -> float:
    """The largest finite absolute value, for a scale around zero that all views share; never less than 0.05."""
    largest = [float(np.nanmax(np.abs(part))) for part in parts if part.size and np.isfinite(part).any()]
    return max([0.05, *largest])


def layer_chart(bands: pd.DataFrame, lines: pd.DataFrame, direction_layer: int | None) -> alt.LayerChart:
    """Cosine with the refusal direction at the last token, layer by layer.

    bands: kind (harmful, benign), layer, low, median, high, prompts. lines: from `line_frame`.
    """
    bands = bands.assign(series=bands["kind"].map({"harmful": HARMFUL, "benign": BENIGN}))
    low, high = _zoom(np.concatenate([lines["cosine"], bands["low"], bands["high"]]).astype(float))
    last = int(lines["layer"].max())
    x = alt.X("layer:Q", title="layer", scale=alt.Scale(domain=[0, last], nice=False), axis=alt.Axis(tickMinStep=1))
    y = alt.Y("cosine:Q", title="cosine with the direction", scale=alt.Scale(domain=[low, high], nice=False))
    parts: list[alt.Chart] = [
        alt.Chart(pd.DataFrame({"cosine": [0.0], "series": BEFORE})).mark_rule(opacity=0.6).encode(y=y, color=_COLOUR),
        alt.Chart(bands)
        .mark_area(opacity=0.18, interpolate="monotone")
        .encode(x=x, y=alt.Y("low:Q", title=None), y2="high:Q", color=_COLOUR),
        alt.Chart(bands)
        .mark_line(strokeWidth=1.5, strokeDash=[5, 3], interpolate="monotone", opacity=0.9)
        .encode(x=x, y=alt.Y("median:Q", title=None), color=_COLOUR),
    ]
    if direction_layer is not None:
        text = f"direction read at layer {direction_layer}"
        mark = pd.DataFrame({"layer": [direction_layer], "text": [text], "series": BEFORE})
        parts.append(alt.Chart(mark).mark_rule(strokeDash=[2, 3]).encode(x=x, color=_COLOUR))
        right = direction_layer > last / 2
        parts.append(
            alt.Chart(mark)
            .mark_text(baseline="top", fontSize=11, align="right" if right else "left", dx=-5 if right else 5)
            .encode(x=x, y=alt.value(3), text="text:N", color=_COLOUR)
        )
    parts.append(
        alt.Chart(lines)
        .mark_line(strokeWidth=2.6, point=alt.OverlayMarkDef(size=26))
        .encode(
            x=x,
            y=y,
            color=_COLOUR,
            tooltip=[
                alt.Tooltip("series:N", title="line"),
                alt.Tooltip("layer:Q", title="layer", format="d"),
                alt.Tooltip("cosine:Q", title="cosine", format="+.3f"),
            ],
        )
    )
    ends = _end_labels(bands, lines, low, high)
    named = alt.Chart(ends).encode(x=x, y=alt.Y("cosine:Q", title=None))
    parts.append(named.mark_point(shape="square", filled=True, size=45, opacity=1, xOffset=10).encode(color=_COLOUR))
    parts.append(
        named.transform_calculate(ink=f"'{BEFORE}'")
        .mark_text(align="left", dx=17, fontSize=12, fontWeight=600, clip=False)
        .encode(text="series:N", color=alt.Color("ink:N", scale=alt.Scale(domain=PLACES), legend=None))
    )
    return layered(*parts).properties(height=_HEIGHT, padding={"left": 4, "top": 6, "bottom": 4, "right": 68})


def token_map(
    cosine: np.ndarray, pieces: Sequence[str], positions: Sequence[int], quantity: str, reach: float
) -> alt.Chart:
    """Layer × token map. cosine: [layers, tokens]; positions: the tokens shown. reach: the scale is [-reach, reach]."""
    layers, _ = cosine.shape
    shown = list(positions)
    frame = pd.DataFrame(
        {
            "layer": np.repeat(np.arange(layers), len(shown)),
            "place": np.tile(np.arange(len(shown)), layers),
            "position": np.tile(shown, layers),
            "token": np.tile([visible(pieces[p]) for p in shown], layers),
            "value": cosine[:, shown].reshape(-1).astype(float),
        }
    )
    names = json_text([_short(visible(pieces[p])) for p in shown])
    return (
        alt.Chart(frame)
        .mark_rect()
        .encode(
            x=alt.X(
                "place:O",
                title=None,
                axis=alt.Axis(
                    labelExpr=f"{names}[datum.value]", labelAngle=-60, labelLimit=90, ticks=False, domain=False
                ),
            ),
            y=alt.Y(
                "layer:O",
                title="layer",
                sort="descending",
                axis=alt.Axis(values=list(range(0, layers, 5)), ticks=False, domain=False),
            ),
            color=alt.Color(
                "value:Q",
                title=quantity,
                scale=alt.Scale(domain=[-reach, reach], domainMid=0, clamp=True),
                legend=alt.Legend(orient="top", gradientLength=160, gradientThickness=8, titleLimit=300, format="+.2f"),
            ),
            tooltip=[
                alt.Tooltip("token:N", title="token"),
                alt.Tooltip("position:Q", title="position", format="d"),
                alt.Tooltip("layer:O", title="layer"),
                alt.Tooltip("value:Q", title=quantity, format="+.3f"),
            ],
        )
        .properties(height=130 + 9 * layers)
    )


def error_chart(frame: pd.DataFrame) -> alt.LayerChart:
    """SAE reconstruction error per layer. frame: layer, mean (BOS left out), bos, active."""
    x = alt.X("layer:O", title="SAE layer", axis=alt.Axis(labelAngle=0))
    tooltip = [
        alt.Tooltip("layer:O", title="layer"),
        alt.Tooltip("mean:Q", title="error without BOS", format=".3f"),
        alt.Tooltip("bos:Q", title="error at BOS", format=".3f"),
        alt.Tooltip("active:Q", title="active features a token (L0)", format=".1f"),
    ]
    y = alt.Y("mean:Q", title="relative error", scale=alt.Scale(domain=[0, max(1.0, float(frame["mean"].max()))]))
    bars = (
        alt.Chart(frame.assign(series=BEFORE)).mark_bar(opacity=0.75).encode(x=x, y=y, tooltip=tooltip, color=_COLOUR)
    )
    bos = (
        alt.Chart(frame.assign(series=HARMFUL, bos=frame["bos"].clip(upper=max(1.0, float(frame["mean"].max())))))
        .mark_tick(thickness=3, width=22)
        .encode(x=x, y=alt.Y("bos:Q", title="relative error"), color=_COLOUR, tooltip=tooltip)
    )
    return layered(bars, bos).properties(height=190)


def _zoom(values: np.ndarray) -> tuple[float, float]:
    """The part of [-1, 1] that holds the values and zero, with some air."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return -1.0, 1.0
    low, high = min(0.0, float(finite.min())), max(0.0, float(finite.max()))
    air = 0.08 * max(high - low, 0.05)
    return max(-1.0, low - air), min(1.0, high + air)


def _end_labels(bands: pd.DataFrame, lines: pd.DataFrame, low: float, high: float) -> pd.DataFrame:
    """Names at the right end of what they name, moved apart where they would overlap: series, layer, cosine."""
    last = lines["layer"].max()
    ends = [(row.series, row.cosine) for row in lines[lines["layer"] == last].itertuples()]
    ends += [(row.series, row.median) for row in bands[bands["layer"] == last].itertuples()]
    ends = sorted((end for end in ends if np.isfinite(end[1])), key=lambda end: end[1])
    gap = _APART * (high - low)
    heights: list[float] = []
    for _, value in ends:
        heights.append(max(value, heights[-1] + gap) if heights else max(value, low))
    over = heights[-1] - high if heights else 0.0
    if over > 0:  # pushed out at the top: move down again from there
        ceiling = high
        for place in range(len(heights) - 1, -1, -1):
            heights[place] = min(heights[place], ceiling)
            ceiling = heights[place] - gap
    return pd.DataFrame({"series": [name for name, _ in ends], "layer": last, "cosine": heights})


def _short(text: str, most: int = 14) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
