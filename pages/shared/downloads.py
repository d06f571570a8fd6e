"""The data behind a chart, as CSV. Knows: a frame and a name. Does not know: what is in it."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.text.csv_text import csv_text


def download(frame: pd.DataFrame, name: str) -> None:
    """A small button under a chart."""
    st.download_button(
        "Data",
        lambda: csv_text(frame),
        f"hydrascope-{name}.csv",
        "text/csv",
        key=f"csv_{name}",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="Download the chart’s data as CSV",
    )
