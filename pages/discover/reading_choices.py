"""The part of the form for a new run that chooses between readings of the paper.

Knows: the widgets, and the settings they become. Does not know: the rest of the form. What each reading means is in
`core.discovery.readings`.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from core.discovery.settings import Settings

#: Setting → what it is about, and each reading in a few words.
_WORDS: dict[str, tuple[str, dict[Any, str]]] = {
    "layers_counted_from": (
        "“Layers 1 and 2” are left out",
        {1: "counted from 1: blocks 0 and 1", 0: "counted from 0: blocks 1 and 2"},
    ),
    "step_two": (
        "Redundant features: prompts kept by step 2",
        {"alone": "flipped by dormant features alone", "left out": "no flip with dormant features left out"},
    ),
    "scaling": (
        "Stage 3: columns are divided by",
        {
            "training": "their largest over training rows",
            "none": "nothing",
            "all": "their largest over all rows (leaks test rows)",
        },
    ),
    "nearness": (
        "Stage 3: near a Stage 2 feature means",
        {"highest": "highest cosine to any", "mean": "mean cosine to all"},
    ),
}


def choices(usual: Settings) -> dict[str, Any]:
    """Setting → value, for every setting that is a reading but those of Stages 1 and 2 in the form itself."""
    chosen: dict[str, Any] = {}
    for name, (about, words) in _WORDS.items():
        chosen[name] = st.selectbox(
            about,
            list(words),
            index=list(words).index(getattr(usual, name)),
            format_func=words.__getitem__,
            key=f"discover_{name}",
        )
    chosen["control_draws"] = st.slider(
        "Matched random controls per prompt", 0, 10, usual.control_draws, key="discover_control_draws"
    )
    chosen["machine_seeds"] = st.slider(
        "Stage 3: fits of each machine", 1, 10, usual.machine_seeds, key="discover_machine_seeds"
    )
    return chosen
