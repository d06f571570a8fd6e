"""Which study this visitor has open, and under which name: in the address, so that a reload or a link opens it again.

Knows: session state, the address bar. Does not know: stores. Links to other pages carry the workspace and not the
study, so the session remembers it until the visitor leaves it.
"""

from __future__ import annotations

import secrets

import streamlit as st

STUDY, NAME = "study", "name"
_OPEN, _VISIT, _SEEN = "study_open", "study_visit", "study_seen"
_ITEM, _DRAWN, _TOLD = "study_item", "study_drawn", "study_told"
_MADE, _NEWS = "study_made", "study_news"


def current() -> tuple[str, str]:
    """(study's identifier, annotator's name), each empty where there is none."""
    asked = (st.query_params.get(STUDY, ""), st.query_params.get(NAME, ""))
    if asked[0]:
        if asked != st.session_state.get(_OPEN, asked):
            _forget()
        st.session_state[_OPEN] = asked
        return asked
    study, name = st.session_state.get(_OPEN, ("", ""))
    _write(study, name)
    return study, name


def open_study(study: str, name: str) -> None:
    """Annotate this study under this name from the next time the page is drawn."""
    st.session_state[_OPEN] = (study, name)
    _forget()
    _write(study, name)


def _forget() -> None:
    """What is known of the place in a study is of one study and one name."""
    for key in (_ITEM, _SEEN, _TOLD):
        st.session_state.pop(key, None)


def leave() -> None:
    """Go back to the list of studies."""
    open_study("", "")


def visit() -> str:
    """What this browser tab is called in the store."""
    return str(st.session_state.setdefault(_VISIT, secrets.token_hex(4)))


def seen() -> str | None:
    """Which tab had chosen last under this name when this tab began; None before that was asked."""
    found: str | None = st.session_state.get(_SEEN)
    return found


def set_seen(last: str) -> None:
    """Take it that everything up to that tab's last choice is this person's own."""
    st.session_state[_SEEN] = last


def item() -> int | None:
    """The item that is shown; None before one was chosen."""
    found: int | None = st.session_state.get(_ITEM)
    return found


def set_item(number: int) -> None:
    """Show this item from the next time the page is drawn."""
    st.session_state[_ITEM] = number


def is_told(number: int) -> bool:
    """Whether the known answer of this item stands there."""
    return bool(st.session_state.get(_TOLD) == number)


def set_told(number: int | None) -> None:
    """Show the known answer of this item; None for no item."""
    st.session_state[_TOLD] = number


def set_drawn(number: int) -> None:
    """The item that the page draws in this run."""
    st.session_state[_DRAWN] = number


def is_drawn(number: int) -> bool:
    """Whether a click on this item's buttons is meant for it: the browser may still hold buttons of the one before."""
    return bool(st.session_state.get(_DRAWN) == number)


def look_for_item() -> None:
    """Show the first item that is not done."""
    st.session_state.pop(_ITEM, None)


def set_made(study: str) -> None:
    """Have this study, which was just made, chosen in the list."""
    st.session_state[_MADE] = study


def take_made() -> str:
    """The study that was just made, once; empty where there is none."""
    return str(st.session_state.pop(_MADE, ""))


def is_news(job: str) -> bool:
    """Whether this visitor has not heard yet that a job has ended; from now on they have."""
    known = st.session_state.get(_NEWS) == job
    st.session_state[_NEWS] = job
    return not known


def _write(study: str, name: str) -> None:
    for key, value in ((STUDY, study), (NAME, name)):
        if value:
            st.query_params[key] = value
        elif key in st.query_params:
            del st.query_params[key]
