"""The Judges page's chart: pure functions from rates to an Altair chart, and the same in words.

Knows: what is drawn and how it is labelled. Does not know: sessions, stores, widgets. Colours are places in the theme's
palette, so light and dark recolour them in the browser.
"""

from __future__ import annotations

from collections.abc import Mapping

import altair as alt
import pandas as pd

from core.statistics import Rate
from pages.shared.rate_lines import rate_lines

_GREY = "·grey"
#: The palette's places: refusal and compliance are its first two, and a classifier's labels must look like neither.
_PLACES = ["refused", "complied", "no", "yes", "off-topic", "undetermined", _GREY]
_COLOUR = alt.Color("series:N", scale=alt.Scale(domain=_PLACES), legend=None)


def rates_frame(found: Mapping[str, Mapping[str, Rate]]) -> pd.DataFrame:
    """judge, label, count, n, rate, low, high; name: both in one."""
    rows = [
        (judge, label, one.hits, one.n, one.rate, one.low, one.high, f"{judge}: {label}")
        for judge, labels in found.items()
        for label, one in labels.items()
    ]
    return pd.DataFrame(rows, columns=["judge", "label", "count", "n", "rate", "low", "high", "name"])


def rates(frame: pd.DataFrame) -> alt.LayerChart:
    """Each label's share with its interval, a line each, its name above it, so that a phone has room for both."""
    drawn = frame.assign(series=[label if label in _PLACES else _GREY for label in frame["label"]])
    tooltip = [
        "judge:N",
        "label:N",
        alt.Tooltip("rate:Q", title="share", format=".1%"),
        alt.Tooltip("low:Q", title="95% from", format=".1%"),
        alt.Tooltip("high:Q", title="to", format=".1%"),
        alt.Tooltip("count:Q", format="d"),
        alt.Tooltip("n:Q", format="d"),
    ]
    return rate_lines(drawn, "name", "share of the answers judged", tooltip, _COLOUR, _GREY)


def rates_summary(frame: pd.DataFrame) -> str:
    """The same in words, for who cannot see it."""
    return "; ".join(f"{row.name}: {row.rate:.0%} of {row.n}" for row in frame.itertuples())
