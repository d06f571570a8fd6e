"""The engine for a page: loaded with real progress the first time, at once afterwards.

Knows: the loaded engines. Does not know: what a page does with the engine.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

import streamlit as st

from cache.engines import get_engine, is_loaded
from core import Engine, HydrascopeError
from core.models.registry import chosen_name
from core.models.trained import sae_names
from pages.shared.progress_bar import progress_bar
from pages.shared.text import plain
from pages.shared.trouble import show_error
from pages.shared.workspace import session, shown


def engine_or_stop() -> Engine:
    """The engine of the chosen model; when it cannot be had, the reason and a way to try again, and the run ends."""
    name, place = chosen_name(), st.empty()
    if is_loaded(name):
        return _as_set(get_engine(name))
    try:
        with place.container():
            st.markdown(
                f"Loading **{plain(name)}**. The first start also prepares the model, which takes about a minute."
            )
            with progress_bar("Starting") as shown:
                engine = get_engine(name, shown)
    except HydrascopeError as error:
        place.empty()
        show_error(error)
        st.button("Try again", icon=":material/refresh:", key="load_again")
        st.stop()
    place.empty()
    return _as_set(engine)


#: An engine that is unloaded takes these with it, or its memory would not come free.
_other_way: WeakKeyDictionary[Engine, Engine] = WeakKeyDictionary()


def _as_set(engine: Engine) -> Engine:
    """The engine with thinking as the visitor set it, where the model knows thinking. It is what the page shows."""
    shown.shows(engine)
    wanted, now = session.current().settings.thinking, engine.runtime.template.thinking
    if now is None or wanted is None or wanted == now:
        return engine
    if engine not in _other_way:
        _other_way[engine] = engine.with_thinking(wanted)
    return _other_way[engine]


def engine_key(engine: Engine) -> str:
    """Everything of an engine that a measured number depends on; results are remembered under it."""
    spec = engine.spec
    direction = engine.direction().key if engine.has_direction else "none"
    thinking = "" if engine.runtime.template.thinking is None else f"thinking {engine.runtime.template.thinking}"
    digests = engine.runtime.digests
    held = (sae_names(spec), digests.weights, digests.sae_text)
    return "|".join((spec.name, *held, spec.revision or "", engine.placement, direction, thinking))
