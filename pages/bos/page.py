"""The BOS page: clamp redundant features at the first token, see what harmless requests get, and test it as a defence.

This file is the page's order of things and nothing else. A click ends the run before it at the next thing drawn, so
what is known comes first and what takes long comes last.
"""

from __future__ import annotations

import streamlit as st

from cache.store.database import shared_store
from core import Engine, HydrascopeError
from pages.bos import answers, choose, clamp, defence
from pages.shared import measurements, quick_sets, strip
from pages.shared.engine import engine_key, engine_or_stop
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.workspace import session


def bos(engine: Engine) -> None:
    """The whole page, from the strip down."""
    store = shared_store()
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    if not engine.spec.layers:
        st.info("This model has no SAEs, so there are no features to clamp.", icon=":material/info:")
        return
    pairs = measurements.example_pairs(measurements.shipped_prompts(engine, engine.spec.name))
    session.open_with(engine, measurements.first_prompt(pairs))
    key, top = engine_key(engine), strip.draw(engine)
    try:
        request = session.request(engine)
        before, after = measurements.sides(engine, key, request)
    except HydrascopeError as error:
        show_error(error)
        return
    strip.show_score(top, engine, key, request, before, after)
    quick_sets.row(engine, key, request.prompt)
    features = choose.section(engine, key, request)
    held = clamp.section(engine, key, features) if features else None
    grid = answers.draw(engine, key, *held) if held else None
    slots = defence.section(engine, key, request, held[0] if held else None)
    if held and grid:
        with shown_as_sentences("writing answers"):
            answers.finish(engine, key, grid, held[1])
    defence.finish(engine, slots)


use_style()
st.title("Clamp at the first token", anchor=False)
st.markdown(
    "Clamp features at BOS, the token before every prompt. See whether the model begins to refuse, and whether the "
    "clamp is a defence."
)
the_engine = engine_or_stop()
with shown_as_sentences("the BOS page"):
    bos(the_engine)
