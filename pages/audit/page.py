"""The Audit page: one prompt, where refusal arises in it, and what changes when features are switched off.

This file is the page's order of things and nothing else. A click ends the run before it at the next thing drawn, so
what is quick to know is drawn first and what takes long comes last.
"""

from __future__ import annotations

from collections.abc import Mapping

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core import Engine, HydrascopeError
from core.text.csv_text import csv_text
from pages.audit import charts, comparison, details, picture, reference
from pages.shared import (
    card_button,
    cards,
    feature_table,
    history,
    measurements,
    model_offer,
    other_model,
    prompt_box,
    quick_sets,
    strip,
    tokens,
)
from pages.shared.engine import engine_key, engine_or_stop
from pages.shared.measurements import Side
from pages.shared.style import use_style
from pages.shared.trouble import show_error, shown_as_sentences
from pages.shared.workspace import session
from pages.shared.workspace.session import Request

#: Pixels of the layer chart with its heading.
CHART = 255
VIEW, ALL_TOKENS = "audit_view", "audit_all_tokens"


def audit(engine: Engine) -> None:
    """The whole page, from the strip down."""
    pairs = measurements.example_pairs(measurements.shipped_prompts(engine, engine.spec.name))
    session.open_with(engine, measurements.first_prompt(pairs))
    if other_model.asks(engine, shows_load=False):
        return
    key, top = engine_key(engine), strip.draw(engine)
    change, effect = strip.columns()
    with change:
        prompt_box.examples(pairs)
    try:
        request = session.request(engine)
        before, after = measurements.sides(engine, key, request)
    except HydrascopeError as error:
        show_error(error)
        return
    strip.show_score(top, engine, key, request, before, after)
    _results(engine, key, request, (before, after), top, (change, effect))


def _results(
    engine: Engine,
    key: str,
    request: Request,
    sides: tuple[Side, Side],
    top: strip.Strip,
    places: tuple[DeltaGenerator, DeltaGenerator],
) -> None:
    """Left what one changes, right what it does. The scores first, then what is looked up, last what takes long."""
    (before, after), (change, effect) = sides, places
    compared = None
    with effect:
        # Its place is kept, so that nothing moves when the bands, which take longest, are there.
        chart = st.container(height=CHART, border=False, key="layers")
        first, second = cards.draw(engine, key, request, before, after, top.verdict)
        stop_slot, card_slot = cards.controls(engine, after.milliseconds)
        with shown_as_sentences("the pinned sets"):
            compared = comparison.draw(engine, key, request.prompt)
    # Where a forward takes seconds, what is looked up on many prompts takes minutes: the answers do not wait for it.
    slow = after.milliseconds > cards.SLOW
    finished = cards.finish(engine, key, first, second, stop_slot) if slow else None
    edited, finish_table = (after if request.edits else None), None
    with change:
        quick_sets.row(engine, key, request.prompt)
    with chart, shown_as_sentences("the layer chart"):
        _layers(engine, key, before, edited, comparison.lines(compared.states) if compared else {})
    with change, shown_as_sentences("the feature table"):
        finish_table = feature_table.section(engine, key, request.prompt, before.milliseconds)
    with effect, shown_as_sentences("the token map"):
        _tokens(engine, key, request, before, edited)
    with effect, shown_as_sentences("the reference answer"):
        reference.section(engine, key, request, second)
    with shown_as_sentences("the details"):
        details.reconstruction(engine, key, request.prompt)
        details.provenance(engine)
    with st.sidebar:
        history.trouble()
    if finished is None:
        finished = cards.finish(engine, key, first, second, stop_slot)
    with shown_as_sentences("the features’ effects"):
        if finish_table is not None:
            finish_table()
    if compared:
        with shown_as_sentences("the pinned sets"):
            states = comparison.finish(engine, key, request.prompt, compared)
            picture.button(compared.aside, engine, key, states)
    with shown_as_sentences("the audit card"):
        card_button.of_request(card_slot, engine, key, request, "Audit")
    with shown_as_sentences("keeping the history"):
        history.keep(engine, key, request, before, after, finished)


def _layers(engine: Engine, key: str, before: Side, after: Side | None, pinned: Mapping[str, Side]) -> None:
    if not engine.has_direction:
        st.subheader("Where refusal arises", anchor="layers")
        st.caption(
            "This model has no refusal direction yet, so there is nothing to compare its layers with. Compute one "
            "under “Provenance”, at the end of this page."
        )
        return
    lines = charts.line_frame(
        before.cosine, None if after is None else after.cosine, {name: one.cosine for name, one in pinned.items()}
    )
    bands = measurements.bands(engine, key)
    size = int(bands["prompts"].max()) if len(bands) else 0
    text = "Cosine of the residual stream with the refusal direction at the last prompt token, after each layer"
    if size:
        text += (
            f". This prompt :gray[**before**] and :green[**after**] the edits, over {size} held-out "
            f":red[**harmful**] and {size} :blue[**benign**] prompts (dashed: median, shaded: middle 80%)"
        )
    if pinned:
        text += f"; {', '.join(pinned)}: under the pinned sets"
    with st.container(horizontal=True, vertical_alignment="center"):
        st.subheader("Where refusal arises", anchor="layers", help=f"{text}.", width="content")
        st.space("stretch")
        st.download_button(
            "Data",
            lambda: csv_text(charts.layer_table(bands, lines)),
            "hydrascope-layers.csv",
            "text/csv",
            key="layer_csv",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="Download these lines and bands as CSV",
        )
    chart = charts.layer_chart(bands, lines, engine.direction().layer)
    st.altair_chart(chart, key="layer_chart", alt=charts.layer_summary(lines, engine.direction().layer))


def _tokens(engine: Engine, key: str, request: Request, before: Side, after: Side | None) -> None:
    st.subheader("Which tokens carry refusal", anchor="tokens")
    prompt = measurements.tokens(engine, key, request.prompt)
    if not engine.has_direction:
        st.html(tokens.strip(prompt, None))
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if after is not None:
            view = st.segmented_control(
                "Show",
                ["before", "after", "difference"],
                default="after",
                key=VIEW,
                required=True,
                label_visibility="collapsed",
                persist_state="session",
            )
        else:
            view = "before"
        everything = st.toggle(
            "All tokens",
            key=ALL_TOKENS,
            persist_state="session",
            help="Also show BOS and the system prompt. They are the same for every prompt.",
        )
    values = {"before": before.token_cosine}
    if after is not None:
        values |= {"after": after.token_cosine, "difference": after.token_cosine - before.token_cosine}
    shown = values.get(str(view), before.token_cosine)
    layer = engine.direction().layer
    st.html(tokens.strip(prompt, shown[layer]))
    st.caption(f"The colour of a token is its cosine at layer {layer}. Tokens with a dashed border are the template’s.")
    places = tokens.shown_positions(prompt, everything)
    quantity = "change of cosine" if view == "difference" else f"cosine {view}"
    reach = charts.reach([part[:, places] for part in values.values()])
    chart = charts.token_map(shown, prompt.pieces, places, quantity, reach)
    st.altair_chart(chart, key="token_map", alt=f"Layer by token map: {quantity}")


use_style()
st.title("Audit a refusal", anchor=False)
shows_a_load = model_offer.show()
the_engine = engine_or_stop()
model_offer.show_end(shows_a_load, the_engine.spec)
with shown_as_sentences("the Audit page"):
    audit(the_engine)
