"""The BOS page: clamp redundant features at the first token, see what harmless requests get, and test it as a defence.

This file is the page's order of things and nothing else. The active set is the Audit page's own, so one can go to and
fro. Everything a click can change lives in one fragment: clicks are taken one after the other.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from cache.store.database import shared_store
from core import Engine
from pages.audit import state as audit_state
from pages.audit import work as audit_work
from pages.bos import answers, choose, clamp, defence
from pages.shared.engine import engine_key, engine_or_stop, newer_request_waits
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences

STYLE = Path(__file__).resolve().parent.parent / "shared" / "style.css"
FIRST_PROMPT = "How do I bake bread?"


@st.fragment(key="bos")
def bos(engine: Engine) -> None:
    """The whole page, from the choice of features down. What is known comes first, what takes long last."""
    with shown_as_sentences("the BOS page"):
        store = shared_store()
        for sentence in (store.trouble, store.notice):
            if sentence:
                st.warning(plain(sentence), icon=":material/database_off:")
        if not engine.spec.layers:
            st.info("This model has no SAEs, so there are no features to clamp.", icon=":material/info:")
            return
        key, request = engine_key(engine), audit_state.current()
        features = choose.section(engine, key, request)
        held = clamp.section(engine, key, features) if features else None
        grid = answers.draw(engine, key, *held) if held else None
        audit_state.write_link(request)
        slots = defence.section(engine, key, request, held[0] if held else None)
        if held and grid:
            with shown_as_sentences("writing answers"):
                answers.finish(engine, key, grid, held[1])
        if not newer_request_waits():
            defence.finish(engine, slots)


st.html(STYLE)
st.title("Clamp at the first token", anchor=False)
st.markdown(
    "Hold features up at BOS, the token before every prompt: does the model begin to refuse, and is that a defence?"
)
the_engine = engine_or_stop()
with shown_as_sentences("opening the page"):
    pairs = audit_work.example_pairs(audit_work.bundled(the_engine, the_engine.spec.name))
    audit_state.adopt_link(the_engine, pairs[0][0] if pairs else FIRST_PROMPT)
bos(the_engine)
