"""A finished small run that is shipped with the model, opened with one click. Knows: its file and the button."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from cache.store.database import shared_store
from cache.store.run_file import add_run
from core import AssetError, Engine
from pages.discover import state
from pages.shared import notice
from pages.shared.text import plain


def button(engine: Engine) -> None:
    """Where the model has such a run."""
    path = engine.spec.example_run
    if path is not None and path.is_file():
        st.button(
            "Open an example run",
            key="discover_example",
            icon=":material/play_circle:",
            on_click=_open,
            args=(path,),
            help="A first look on this model that was carried out before and is shipped with it. It opens at once, "
            "with where it was measured.",
        )
    if sentence := notice.take():
        st.warning(plain(sentence), icon=":material/error:")


def _open(path: Path) -> None:
    try:
        state.select_run(add_run(shared_store(), path))
    except AssetError as error:
        notice.say(str(error))
