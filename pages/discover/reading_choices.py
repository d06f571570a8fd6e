"""The choices between readings of the paper, as widgets.

Knows: the widgets' words, and the settings they become. Does not know: the rest of the form. What each reading means is
in `core.discovery.readings`.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

#: Setting → what it is about, and each reading in a few words.
_WORDS: dict[str, tuple[str, dict[Any, str]]] = {
    "layers_counted_from": (
        "The first layers, which are left out (“layers 1 and 2”)",
        {1: "counted from 1: blocks 0 and 1", 0: "counted from 0: blocks 1 and 2"},
    ),
    "step_two": (
        "Requests kept by the analysis of redundant features (its step 2)",
        {"alone": "flipped by dormant features alone", "left out": "no flip with dormant features left out"},
    ),
    "scaling": (
        "Activations are divided by",
        {
            "training": "their largest over training rows",
            "none": "nothing",
            "all": "their largest over all rows (leaks test rows)",
        },
    ),
    "nearness": (
        "A feature is near those of Stage 2 by its",
        {"highest": "highest cosine to any", "mean": "mean cosine to all"},
    ),
}
NAMES = tuple(_WORDS)


def choose(name: str) -> Any:
    """The reading that was chosen for one setting. Its widget has its value already."""
    about, words = _WORDS[name]
    return st.selectbox(
        about, list(words), format_func=words.__getitem__, key=f"discover_{name}", persist_state="session"
    )
