"""The choice of a first model, offered where nobody has chosen one: one line each, and a button that loads it.

Knows: what is offered (`core.models.offers`), whether the visitor has put it away. Does not know: how a model is
loaded. The demo stays in use while another one is fetched; when that is loaded, the page runs again and is about it.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from core import ModelSpec
from core.models.offers import USUAL, Offer, offers
from core.models.registry import chosen_name, find_spec, is_chosen
from pages.shared import model_loading
from pages.shared.jobs import watch
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences

_CLOSED = "model_offer_closed"


def show() -> bool:
    """The choice; while a model is being loaded, how far that is; afterwards nothing. Call above the prompt.

    Returns whether a load was shown, for `show_end`.
    """
    loading = model_loading.under_way()
    # A place that is left empty is cleared at once, not when the run has ended, and what is below keeps its own place.
    place = st.empty()
    with shown_as_sentences("the choice of a model"):
        if loading or _others():
            with place.container():
                watch(model_loading.under_way, _draw, key="model_offer_live", every=1.0)
    return loading


def show_end(loading: bool, spec: ModelSpec) -> None:
    """Run the page again if the load that it shows has ended since. Call when the engine is there, before its results:
    they take long, and the bar would stand above them all the while.

    loading: what `show` returned. spec: the engine's.
    """
    if loading and model_loading.has_ended(spec):
        st.rerun()


def row(chosen: Callable[[str], None] = lambda name: None) -> None:
    """The choice alone; nothing where a model was chosen or the visitor has put it away.

    chosen: called with a model's name when it is about to be loaded.
    """
    others, place = _others(), st.empty()
    if not others:
        return
    with place.container(horizontal=True, vertical_alignment="center", gap="small", key="model_offer"):
        with st.container(key="model_offer_now", width="content"):
            _words(offers()[0], "in use")
        for number, offer in enumerate(others):
            with st.container(
                horizontal=True,
                vertical_alignment="center",
                gap="small",
                width="content",
                key=f"model_offer_other{number or ''}",
            ):
                _words(offer)
                st.button(
                    "Use it",
                    key=f"model_offer_use_{offer.name}",
                    on_click=_use,
                    args=(offer.name, chosen),
                    help=f"{offer.first_use} You can go on with the demo until it is loaded. Then every page uses it, "
                    "for every visitor.".strip(),
                )
        st.space("stretch")
        st.button(
            "Close",
            key="model_offer_close",
            icon=":material/close:",
            type="tertiary",
            on_click=_close,
            help="Stay with the demo. The Models page has every model.",
        )


def _others() -> tuple[Offer, ...]:
    """What can be chosen instead of the demo; nothing once anybody has chosen, or this visitor has closed it."""
    waiting = model_loading.under_way() or is_chosen() or chosen_name() != USUAL
    return () if waiting or st.session_state.get(_CLOSED) else offers()[1:]


def _draw() -> None:
    place = st.empty()
    if model_loading.under_way():
        st.empty()  # in place of the choice
        with place.container(gap="xsmall", key="model_offer_progress"):
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                model_loading.bars()
            st.caption("You can go on meanwhile. When it is loaded, every page changes to it, for every visitor.")
        return
    if not _others():  # closed just now: the page without this part
        st.rerun()
    row()
    for offer in _others():
        model_loading.outcome(find_spec(offer.name))


def _words(offer: Offer, state: str = "") -> None:
    after = f" :gray[{state}]" if state else ""
    st.markdown(f"**{plain(offer.name)}**{after}  \n:small[:gray[{plain(offer.line)}]]", width="content")


def _use(name: str, chosen: Callable[[str], None]) -> None:
    chosen(name)
    model_loading.start(find_spec(name))


def _close() -> None:
    st.session_state[_CLOSED] = True
