"""Edit sets kept under a name: saving the edits that are on, and taking a set again.

Knows: the store, the strip's popover. Does not know: what edits do. A set is of the SAEs that were loaded when it was
saved; where others are loaded now, that is said beside it, and it is taken by a button of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cache.store.audit_table import AS_LOADED, NOT_KNOWN, files_of
from cache.store.audits import Audits, SavedSet
from cache.store.database import shared_store
from core import Engine
from core.models.digest import Digests
from pages.shared import notice
from pages.shared.text import counted, plain
from pages.shared.workspace import session
from pages.shared.workspace.state import Workspace, split

WITHOUT_EDITS = "Switch an edit on first: only edits that are on are saved."
SET_NAME = "audit_set_name"


def popover(engine: Engine, now: Workspace) -> None:
    """Name the edits that are on and keep them, or take a set that was kept."""
    store, digests = Audits(shared_store()), engine.runtime.digests
    found = listed(engine.spec.name, digests)
    with st.popover(
        "Saved sets",
        type="tertiary",
        icon=":material/bookmark:",
        key="saved_sets",
        help="Save these edits under a name, or load a saved set",
    ):
        none = not now.words_on
        st.text_input(
            "Name for this set",
            key=SET_NAME,
            max_chars=60,
            disabled=none,
            placeholder="top 10 without layer 12",
            persist_state="session",
            help=WITHOUT_EDITS if none else None,
        )
        st.button(
            "Save the edits that are on",
            key="save_set",
            icon=":material/bookmark_add:",
            disabled=none,
            on_click=_save,
            args=(store, engine.spec.name, digests, ",".join(now.words_on)),
            width="stretch",
            help=WITHOUT_EDITS if none else None,
        )
        _sets(found)


def listed(model: str, digests: Digests) -> list[tuple[SavedSet, str]]:
    """Every set that was saved for a model, newest first, with what `files_of` says of it. Of those that are of the
    files that are loaded (`digests`), a name stands for the newest."""
    found: dict[tuple[str, ...], tuple[SavedSet, str]] = {}
    for one in Audits(shared_store()).saved_sets(model):
        files = files_of(one, one.edits, digests)
        found.setdefault((one.name,) if files == AS_LOADED else one, (one, files))
    return list(found.values())


def told(files: str) -> str:
    """What `files_of` says of a saved set, as a sentence; empty where the files are those that are loaded."""
    if files == AS_LOADED:
        return ""
    if files == NOT_KNOWN:
        return (
            "Saved by a version that did not keep which files were loaded: a number may stand for another feature now."
        )
    also = ": a number may stand for another feature now" if "SAEs" in files else ""
    return f"Saved when {files} were loaded under this model’s name{also}."


def _sets(found: Sequence[tuple[SavedSet, str]]) -> None:
    """A click takes a set of the files that are loaded. The others stand below, each group under what it is of."""
    groups: dict[str, list[tuple[int, SavedSet]]] = {}
    for place, (one, files) in enumerate(found):
        groups.setdefault(told(files), []).append((place, one))
    for place, one in groups.pop("", ()):
        st.button(_title(one), key=f"saved_{place}", type="tertiary", on_click=session.set_words, args=_words(one))
    for sentence, sets in groups.items():
        st.caption(sentence)
        for place, one in sets:
            with st.container(horizontal=True, vertical_alignment="center", gap="small"):
                st.markdown(_title(one), width="content")
                st.button(
                    "Use anyway",
                    key=f"saved_anyway_{place}",
                    type="tertiary",
                    on_click=session.set_words,
                    args=_words(one),
                )


def _title(one: SavedSet) -> str:
    return f"{plain(one.name)} :gray[{counted(len(split(one.edits)), 'edit')}]"


def _words(one: SavedSet) -> tuple[tuple[str, ...]]:
    return (split(one.edits),)


def _save(store: Audits, model: str, digests: Digests, edits: str) -> None:
    name = (st.session_state.get(SET_NAME) or "").strip()
    if not name:
        notice.say("Type a name for the set first.")
        return
    notice.say(kept_as(name[:60], store.save_set(model, digests, name[:60], edits)))


def kept_as(wanted: str, name: str, done: str = "Saved") -> str:
    """What became of a name."""
    return (
        f"{done} as “{name}”." if name == wanted else f"{done} as “{name}”, because another set is called “{wanted}”."
    )
