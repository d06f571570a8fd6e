"""Which chat model, if any, writes a one-sentence label of each feature that is read.

Knows: the widget of the choice, the models that are loaded. Does not know: features, or how a sentence is scored.
"""

from __future__ import annotations

import streamlit as st

from cache.engines import get_engine, loaded_names
from core import Engine

BY, NOBODY = "features_writer", "nobody"


def choose(engine: Engine) -> Engine | None:
    """In a popover: this page's model or another one that is loaded."""
    names = [NOBODY, engine.spec.name, *(name for name in loaded_names() if name != engine.spec.name)]
    if st.session_state.get(BY) not in names:
        st.session_state[BY] = NOBODY
    with st.popover("Labels", icon=":material/label:", type="tertiary", key="features_writer_popover"):
        name = st.selectbox(
            "One-sentence labels written by",
            names,
            key=BY,
            persist_state="session",
            help="A loaded chat model reads each feature's contexts and says in one sentence what they have in common. "
            "The sentence is scored like every label. It takes some seconds a feature on a processor.",
        )
    if name == NOBODY:
        return None
    return engine if name == engine.spec.name else get_engine(str(name))
