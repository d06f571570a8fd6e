"""The BOS page: clamp redundant features at the first token, see what harmless requests get, and test it as a defence.

This file is the page's order of things and nothing else. A click ends the run before it at the next thing drawn, so
what is known comes first and what takes long comes last.
"""

from __future__ import annotations

import streamlit as st

from cache.store.database import shared_store
from core import Engine, Feature, HydrascopeError
from pages.bos import answers, choose, clamp, defence, link, work
from pages.bos.state import Clamp
from pages.bos.work import Natural
from pages.shared import card_button, measurements, other_model, quick_sets, strip
from pages.shared.engine import engine_key, engine_or_stop
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.workspace import session
from pages.shared.workspace.session import Request


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
    if other_model.asks(engine):
        return
    positions = "bos" if work.has_bos(engine) else "template"
    link.follow(positions)
    key, top = engine_key(engine), strip.draw(engine)
    try:
        request = session.request(engine)
        before, after = measurements.sides(engine, key, request)
    except HydrascopeError as error:
        show_error(error)
        return
    strip.show_score(top, engine, key, request, before, after)
    if not work.has_bos(engine):
        st.info(
            "This model’s prompts do not begin with a BOS token. The clamp acts at the end of the instruction instead.",
            icon=":material/info:",
        )
    change, effect = strip.columns()
    with change:
        quick_sets.row(engine, key, request.prompt)
        features = choose.section(engine, key, request)
        held = _clamp(engine, key, request, features, positions) if features else None
        link.catch_up(positions)
    with effect:
        st.subheader("What the clamp does", anchor="answers")
        if request.edits:
            st.caption(
                "The clamp alone: the edits in the strip do not act here. “Add to the edits” puts it among them."
            )
        grid = answers.draw(engine, key, request.prompt, *held) if held else None
        if not held:
            st.info("Choose features to clamp, and their effect is measured here.", icon=":material/lightbulb:")
        curves = st.container()
    slots = defence.section(engine, key, request, *((held[0], held[2].values) if held else (None, ())))
    if grid:
        with shown_as_sentences("writing answers"):
            answers.finish(engine, key, grid, after.milliseconds)
        with curves, shown_as_sentences("the score curves"):
            answers.curves(engine, key, grid)
        with effect, shown_as_sentences("the audit card"):
            card_button.of_prompts(st, engine, key, answers.for_card(grid), grid.tokens, "BOS")
    defence.finish(engine, slots)


def _clamp(
    engine: Engine, key: str, request: Request, features: tuple[Feature, ...], positions: str
) -> tuple[Clamp, float, Natural] | None:
    """How the features are clamped, at what value, and what they do by themselves. positions: where at first. Raises
    InputError."""
    found = work.ranges(engine, key, features)
    natural = work.natural(found, work.woken_activations(engine, key, request.edits, features))
    held = clamp.section(engine, key, features, natural, positions)
    choose.ranges(engine, found, features)
    return (*held, natural) if held else None


use_style()
st.title("Clamp at the first token", anchor=False)
st.markdown(
    "Clamp features at BOS, the token before every prompt. See whether the model begins to refuse, and whether the "
    "clamp is a defence."
)
the_engine = engine_or_stop()
with shown_as_sentences("the BOS page"):
    bos(the_engine)
