"""The choice of worker processes for a run, where Ray is installed.

Knows: the widget. Does not know: how workers are started (`cache.jobs.search`).
"""

from __future__ import annotations

import os

import streamlit as st

from core.scale.cluster import INSTALL, ray_installed

_KEY = "discover_workers"


def choose() -> None:
    """The widget; without Ray, a sentence on how to get it."""
    if not ray_installed():
        st.caption(f"To run the search in several processes at once, install Ray: `{INSTALL}`.")
        return
    st.session_state[_KEY] = chosen()
    st.number_input(
        "Worker processes",
        0,
        max(2, os.cpu_count() or 1),
        key=_KEY,
        width=160,
        help="With 0, the run is carried out in this process. Each worker process loads the model for itself, on a GPU "
        "of its own where there are GPUs. The rows are the same. Workers on other machines: docs/scale.md.",
        persist_state="session",
    )


def chosen() -> int:
    """How many worker processes a run that is started or resumed now has; 0 is this process."""
    return int(st.session_state.get(_KEY, 0)) if ray_installed() else 0
