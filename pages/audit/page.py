"""The Audit page: one prompt, where refusal arises in it, and what changes when features are switched off.

This file is the page's order of things and nothing else. Everything a click can change lives in one fragment: clicks
inside it are taken one after the other, so one impatient visitor never has two runs in the model.
"""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import Edits, Engine, HydrascopeError
from pages.audit import active_set, cards, charts, details, feature_table, history, prompt_box, state, tokens, work
from pages.audit.state import Request
from pages.audit.work import Side
from pages.shared.engine import engine_key, engine_or_stop, newer_request_waits
from pages.shared.text import plain
from pages.shared.trouble import show_error, shown_as_sentences

STYLE = Path(__file__).resolve().parent.parent / "shared" / "style.css"
FIRST_PROMPT = "How do I bake bread?"
VIEW, ALL_TOKENS = "audit_view", "audit_all_tokens"


@st.fragment(key="audit")
def audit(engine: Engine) -> None:
    """The whole page, from the prompt box down."""
    with shown_as_sentences("the audit page"):
        key, request = engine_key(engine), state.current()
        prompt_box.box()
        prompt_box.examples(_pairs(engine))
        try:
            before = work.side(engine, key, request.prompt, "")
            edits = state.edits_of(request.edits, engine)
            after = work.side(engine, key, request.prompt, request.edits) if edits else before
        except HydrascopeError as error:
            active_set.bar(engine, request)
            show_error(error)
            _sidebar(engine, request)
            return
        _results(engine, key, request, edits, before, after)


def _results(engine: Engine, key: str, request: Request, edits: Edits, before: Side, after: Side) -> None:
    """Everything below the prompt. The scores first, then what is looked up, last what takes long: cost and answers."""
    above = st.container()
    active_set.bar(engine, request)
    if notice := state.take_notice():
        st.info(plain(notice), icon=":material/info:")
    first, second = cards.draw(engine, key, request, edits, before, after)
    stop_slot = cards.controls(after.milliseconds)
    state.write_link(request)
    # Where a forward takes seconds, what is looked up on many prompts takes minutes: the answers do not wait for it.
    slow = after.milliseconds > cards.SLOW
    finished = cards.finish(engine, key, first, second, stop_slot, cost_first=False) if slow else None
    with above:
        active_set.quick_sets(engine, key, request.prompt)
    edited = after if edits else None
    with shown_as_sentences("the layer chart"):
        _layers(engine, key, before, edited)
    with shown_as_sentences("the token map"):
        _tokens(engine, key, request, before, edited)
    with shown_as_sentences("the feature table"):
        feature_table.section(engine, key, request.prompt)
    with shown_as_sentences("the details"):
        details.reconstruction(engine, key, request.prompt)
        details.provenance(engine)
    _sidebar(engine, request)
    if finished is None:
        finished = cards.finish(engine, key, first, second, stop_slot)
    if not newer_request_waits():
        with shown_as_sentences("keeping the history"):
            history.keep(engine, request, before, after, finished)


def _layers(engine: Engine, key: str, before: Side, after: Side | None) -> None:
    st.subheader("Where refusal arises", anchor="layers")
    if not engine.has_direction:
        st.caption(
            "This model has no refusal direction yet, so there is nothing to compare its layers "
            "with; compute one under “Provenance”, at the end of this page."
        )
        return
    lines = charts.line_frame(before.cosine, None if after is None else after.cosine)
    bands = work.bands(engine, key)
    size = int(bands["prompts"].max()) if len(bands) else 0
    text = "Cosine of the residual stream with the refusal direction at the last prompt token, after each layer"
    if size:
        text += (
            f". This prompt :gray[**before**] and :green[**after**] the edits, over {size} held-out "
            f":red[**harmful**] and {size} :blue[**benign**] prompts (dashed: median, shaded: middle 80%)"
        )
    st.caption(f"{text}.")
    chart = charts.layer_chart(bands, lines, engine.direction().layer)
    st.altair_chart(chart, key="layer_chart", alt=charts.layer_summary(lines, engine.direction().layer))
    st.download_button(
        "Data",
        lambda: charts.layer_table(bands, lines).to_csv(index=False),
        "hydrascope-layers.csv",
        "text/csv",
        key="layer_csv",
        icon=":material/download:",
        type="tertiary",
        on_click="ignore",
        help="These lines and bands as CSV",
    )


def _tokens(engine: Engine, key: str, request: Request, before: Side, after: Side | None) -> None:
    st.subheader("Which tokens carry it", anchor="tokens")
    prompt = work.tokens(engine, key, request.prompt)
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
            )
        else:
            view = "before"
        everything = st.toggle(
            "All tokens", key=ALL_TOKENS, help="BOS and the system prompt too, the same for every prompt"
        )
    values = {"before": before.token_cosine}
    if after is not None:
        values |= {"after": after.token_cosine, "difference": after.token_cosine - before.token_cosine}
    shown = values.get(str(view), before.token_cosine)
    layer = engine.direction().layer
    st.html(tokens.strip(prompt, shown[layer]))
    st.caption(f"Chips are tinted by the cosine at layer {layer}; dashed ones are the template's own.")
    places = tokens.shown_positions(prompt, everything)
    quantity = "change of cosine" if view == "difference" else f"cosine {view}"
    reach = charts.reach([part[:, places] for part in values.values()])
    chart = charts.token_map(shown, prompt.pieces, places, quantity, reach)
    st.altair_chart(chart, key="token_map", alt=f"Layer by token map: {quantity}")


def _sidebar(engine: Engine, request: Request) -> None:
    with st.sidebar, shown_as_sentences("the history"):
        history.sidebar(engine, request)


def _pairs(engine: Engine) -> list[tuple[str, str]]:
    return work.example_pairs(work.bundled(engine, engine.spec.name))


st.html(STYLE)
st.title("Audit a refusal", anchor=False)
st.markdown("Type a request, see in which layers the model turns towards refusing it, and switch features off.")
the_engine = engine_or_stop()
with shown_as_sentences("opening the page"):
    pairs = _pairs(the_engine)
    state.adopt_link(the_engine, pairs[0][0] if pairs else FIRST_PROMPT)
audit(the_engine)
