"""The Discover page's charts: pure functions from a run's tables to Altair charts.

Knows: what is drawn and how it is labelled. Does not know: sessions, stores, widgets. Colours are places in the theme's
palette, so light and dark recolour them in the browser; every rate is drawn with its interval.
"""

from __future__ import annotations

import altair as alt
import pandas as pd

from pages.shared.layered import layered
from pages.shared.rate_lines import SHARE, rate_lines
from pages.shared.text import signed

_PERCENT = alt.Axis(format="%")
_FLIPPED, _NAME = "flipped", "name"
# Places in the theme's palette: answers are blue, words are slate; a mark without a colour would be black in the dark.
_ONE = alt.Color("series:N", scale=alt.Scale(domain=["·1", _FLIPPED, "·3", "·4", "·5", "·6", _NAME]), legend=None)
_TOOLTIP = [
    alt.Tooltip("rate:Q", title="flipped", format=".1%"),
    alt.Tooltip("low:Q", title="95% from", format=".1%"),
    alt.Tooltip("high:Q", title="to", format=".1%"),
    alt.Tooltip("n:Q", title="n", format="d"),
]


def overview(frame: pd.DataFrame) -> alt.LayerChart:
    """What flips a refusal: a line each, with its interval. frame: ablated, rate, low, high, n."""
    drawn = frame.assign(series=_FLIPPED)
    return rate_lines(drawn, "ablated", "refusals turned into answers", _TOOLTIP, _ONE, _NAME)


def overview_summary(frame: pd.DataFrame) -> str:
    """The same in words, for who cannot see it."""
    return "; ".join(f"{row.ablated}: {row.rate:.0%} of {row.n}" for row in frame.itertuples())


def sweep(frame: pd.DataFrame, column: str, series: str | None = None) -> alt.LayerChart:
    """Rate over a swept setting, a band for the interval. series: the column that tells lines apart, where several."""
    log = frame[column].max() > 20 * frame[column].min() > 0
    scale = alt.Scale(type="log" if log else "linear", zero=False, nice=False)
    # Ticks at what was tried and nowhere else.
    axis = alt.Axis(values=sorted(float(value) for value in frame[column].unique()))
    x = alt.X(f"{column}:Q", title=column, scale=scale, axis=axis)
    colour = alt.Color(f"{series}:N", title=None, legend=alt.Legend(orient="top")) if series else _ONE
    base = alt.Chart(frame if series else frame.assign(series=_FLIPPED)).encode(x=x, color=colour)
    tooltip = [alt.Tooltip(f"{column}:Q", title=column), *_TOOLTIP]
    return layered(
        base.mark_area(opacity=0.16).encode(y=alt.Y("low:Q", scale=SHARE, axis=_PERCENT, title="flipped"), y2="high:Q"),
        base.mark_line(point=alt.OverlayMarkDef(size=34), strokeWidth=2.4).encode(
            y=alt.Y("rate:Q", scale=SHARE, axis=_PERCENT, title="flipped"), tooltip=tooltip
        ),
    ).properties(height=240)


def cosines(frame: pd.DataFrame) -> alt.LayerChart:
    """Cosine by layer, a line and a band for its interval a side. frame: layer, prompts, cosine, low, high, n."""
    # Refusal's and compliance's colours, as on the Audit page.
    colour = alt.Color("prompts:N", scale=alt.Scale(domain=["harmful", "benign"]), legend=alt.Legend(orient="top"))
    base = alt.Chart(frame).encode(x=alt.X("layer:Q", axis=alt.Axis(tickMinStep=1, format="d")), color=colour)
    tooltip = [
        "prompts:N",
        alt.Tooltip("layer:Q", format="d"),
        alt.Tooltip("cosine:Q", title="mean cosine", format="+.3f"),
        alt.Tooltip("low:Q", title="95% from", format="+.3f"),
        alt.Tooltip("high:Q", title="to", format="+.3f"),
        alt.Tooltip("n:Q", format="d"),
    ]
    scale = alt.Scale(zero=True)
    return layered(
        base.mark_area(opacity=0.2).encode(y=alt.Y("low:Q", scale=scale, title="cosine"), y2="high:Q"),
        base.mark_line(point=alt.OverlayMarkDef(size=24), strokeWidth=2.4).encode(
            y=alt.Y("cosine:Q", scale=scale, title="cosine"), tooltip=tooltip
        ),
    ).properties(height=260)


def cosines_summary(frame: pd.DataFrame) -> str:
    """The same in words."""
    parts = []
    for kind, part in frame.groupby("prompts", sort=False):
        top = part.loc[part["cosine"].idxmax()]
        parts.append(f"{kind}: highest after layer {top['layer']:.0f}, {signed(top['cosine'])}, n = {top['n']:.0f}")
    return "Mean cosine with the refusal direction by layer. " + "; ".join(parts)


def sizes(frame: pd.DataFrame) -> alt.Chart:
    """How large the minimal sets are. frame: size."""
    step = -(-int(frame["size"].max() - frame["size"].min() + 1) // 24)
    return (
        alt.Chart(frame.assign(series=_FLIPPED))
        .mark_bar()
        .encode(
            color=_ONE,
            x=alt.X(
                "size:Q",
                bin=alt.Bin(step=step),
                title="features in a prompt's minimal set",
                axis=alt.Axis(format="d", tickMinStep=1),
            ),
            y=alt.Y("count():Q", title="prompts", axis=alt.Axis(tickMinStep=1)),
            tooltip=[alt.Tooltip("count():Q", title="prompts")],
        )
        .properties(height=200)
    )


def curves(frame: pd.DataFrame) -> alt.Chart:
    """Loss by epoch, a panel a machine. frame: machine, epoch, part (training, validation), loss."""
    # A legend of dashes takes its ink from no palette; this grey is seen on light and dark.
    dashes = alt.Legend(orient="top", columns=2, symbolStrokeColor="#8a94a0")
    return (
        alt.Chart(frame)
        .mark_line(point=alt.OverlayMarkDef(size=20), strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1)),
            y=alt.Y("loss:Q", title="loss, nats", scale=alt.Scale(zero=False)),
            color=alt.Color("machine:N", title=None, legend=alt.Legend(orient="top", columns=2)),
            strokeDash=alt.StrokeDash("part:N", title=None, legend=dashes),
            tooltip=["machine:N", "part:N", "epoch:Q", alt.Tooltip("loss:Q", format=".3f")],
        )
        .properties(height=260)
    )
