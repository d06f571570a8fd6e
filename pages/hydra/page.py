"""The Hydra page: what a model puts back when features are switched off, and which silent features wake.

This file is the page's order of things and nothing else. A click ends the run before it at the next thing drawn, so
what takes long comes last.
"""

from __future__ import annotations

import streamlit as st

from core import Engine, HydrascopeError
from pages.hydra import heads, meaning, repair, runs, state, tour, who, woken
from pages.shared import card_button, cards, feature_table, history, measurements, other_model, quick_sets, strip
from pages.shared.engine import engine_key, engine_or_stop
from pages.shared.style import use_style
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.workspace import session
from pages.shared.workspace.session import Request
from pages.shared.workspace.state import with_settings


def hydra(engine: Engine) -> None:
    """The whole page, from the strip down; or the tour in its place."""
    pairs = measurements.example_pairs(measurements.shipped_prompts(engine, engine.spec.name))
    session.open_with(engine, measurements.first_prompt(pairs))
    if other_model.asks(engine):
        return
    key = engine_key(engine)
    if tour.runs():
        tour.section(engine, key, pairs)
        return
    top = strip.draw(engine)
    try:
        request = session.request(engine)
        before, after = measurements.sides(engine, key, request)
    except HydrascopeError as error:
        show_error(error)
        return
    strip.show_score(top, engine, key, request, before, after)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="hydra_choice"):
        view = st.segmented_control(
            "View",
            state.VIEWS,
            key=session.show_in(state.VIEW, state.view_named(session.current().settings.view)),
            on_change=session.on_change(state.VIEW, lambda now, view: with_settings(now, view=state.name_of(view))),
            required=True,
            label_visibility="collapsed",
        )
        st.space("stretch")
        tour.button(engine, pairs)
    change, effect = strip.columns()
    with change, quick_sets.row(engine, key, request.prompt):
        runs.source(engine)
    with effect:
        views = st.container()
        first, second = cards.draw(engine, key, request, before, after, top.verdict)
        stop_slot, card_slot = cards.controls(engine, after.milliseconds)
    with views:
        _view(engine, key, request, str(view))
    finish_table = None
    with change, shown_as_sentences("the feature table"):
        finish_table = feature_table.section(engine, key, request.prompt, before.milliseconds)
    finished = cards.finish(engine, key, first, second, stop_slot)
    with shown_as_sentences("the features’ effects"):
        if finish_table is not None:
            finish_table()
    with shown_as_sentences("the audit card"):
        card_button.of_request(card_slot, engine, key, request, "Hydra", waking=True)
    with shown_as_sentences("keeping the history"):
        history.keep(engine, key, request, before, after, finished)


def _view(engine: Engine, key: str, request: Request, view: str) -> None:
    """The view chosen, on the edits that are on."""
    if not request.edits:
        st.info(
            "No edits are on, so there is nothing to put back and no feature can wake. Use a quick set above, a run’s "
            "minimal set, or the tour.",
            icon=":material/lightbulb:",
        )
        return
    with shown_as_sentences(f"the view “{view}”"):
        if view == state.WHO:
            who.section(engine, key, request)
        elif view == state.MATTER:
            meaning.matters(engine, key, request)
        elif view == state.HEADS:
            heads.section(engine, key, request)
        elif view == state.DOSE:
            meaning.dose(engine, key, request)
        elif view == state.MAP:
            woken.section(engine, key, request)
        else:
            repair.section(engine, key, request)


use_style()
st.title("Cut off one head, and others wake", anchor=False)
if not tour.runs():
    st.markdown(
        "Switch features off. See how much of the refusal later blocks put back, which silent features wake, what was "
        "holding them down, and whether they take over refusal."
    )
the_engine = engine_or_stop()
with shown_as_sentences("the Hydra page"):
    hydra(the_engine)
