"""An uploaded file, read once and kept for the session: its widget forgets it as soon as another page is opened.

Knows: the widget, and what was read. Does not know: what a file holds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import streamlit as st

from core import HydrascopeError
from pages.shared.text import plain

T = TypeVar("T")


def uploaded(
    label: str, types: Sequence[str], key: str, read: Callable[[bytes, str], T], *, help: str | None = None
) -> T | None:
    """What `read` makes of the file's bytes and name; None where no file was given. A file of before another page was
    opened is named, with a button that removes it.

    Raises what `read` raised of HydrascopeError, at each rerun while the file stays.
    """
    st.file_uploader(label, type=list(types), key=key, on_change=_take, args=(key, read), help=help)
    kept = st.session_state.get(_kept(key))
    if kept is None:
        return None
    name, found = kept
    if st.session_state.get(key) is None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f":material/draft: {plain(name)}, uploaded earlier")
            st.button(
                "Remove", key=f"{key}_remove", icon=":material/close:", type="tertiary", on_click=_forget, args=(key,)
            )
    if isinstance(found, HydrascopeError):
        raise found
    result: T = found
    return result


def _take(key: str, read: Callable[[bytes, str], object]) -> None:
    given = st.session_state.get(key)
    if given is None:
        _forget(key)
        return
    found: object
    try:
        found = read(given.getvalue(), given.name)
    except HydrascopeError as error:
        found = error
    st.session_state[_kept(key)] = given.name, found


def _forget(key: str) -> None:
    st.session_state.pop(_kept(key), None)


def _kept(key: str) -> str:
    return f"{key}_kept"
