"""The engine for a page: loaded with real progress the first time, at once afterwards.

Knows: the loaded engines, the session's run. Does not know: what a page does with the engine.
"""

from __future__ import annotations

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from cache.engines import get_engine, is_loaded
from core import Engine, HydrascopeError
from core.models.registry import chosen_name
from pages.shared.text import plain
from pages.shared.trouble import show_error


def engine_or_stop() -> Engine:
    """The engine of the chosen model; when it cannot be had, the reason and a way to try again, and the run ends."""
    name = chosen_name()
    if is_loaded(name):
        return get_engine(name)
    place = st.empty()
    with place.container():
        st.markdown(f"Loading **{plain(name)}**. The first start prepares the model and takes about a minute.")
        bar = st.progress(0.0, "Starting")

    def shown(message: str, share: float) -> None:
        bar.progress(min(max(share, 0.0), 1.0), plain(message))

    try:
        engine = get_engine(name, shown)
    except HydrascopeError as error:
        place.empty()
        show_error(error)
        st.button("Try again", icon=":material/refresh:", key="load_again")
        st.stop()
    place.empty()
    return engine


def engine_key(engine: Engine) -> str:
    """Everything of an engine that a measured number depends on; results are remembered under it."""
    spec = engine.spec
    direction = engine.direction().key if engine.has_direction else "none"
    layers = ",".join(map(str, spec.layers))
    return "|".join((spec.name, layers, spec.revision or "", engine.placement, direction))


def newer_request_waits() -> bool:
    """Whether the person has already asked for something else while this run is still answering.

    Streamlit interrupts a run for a full rerun only; a click inside the same fragment waits until the run ends, which
    is too long for a click while an answer is being written. So long loops ask here and leave early. The attribute is
    Streamlit's own business and may go: then clicks wait, and nothing else changes.
    """
    requests = getattr(get_script_run_ctx(suppress_warning=True), "script_requests", None)
    state = getattr(requests, "_state", None)
    return getattr(state, "name", "CONTINUE") != "CONTINUE"
