"""Choosing a study and a name to begin under.

Knows: the studies of the store. Does not know: items.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from cache.store.studies import Listed, Studies, checked_name
from core import InputError
from pages.shared.text import counted, plain
from pages.shared.trouble import show_error
from pages.study import state

CHOSEN, NAME = "study_chosen", "study_name"
_ASKED = "study_name_asked"


def choose(every: Sequence[Listed], asked: str = "") -> Listed:
    """The box with the studies, and what is known of the one that is chosen. asked: the one a link names."""
    known = {one.study: one for one in every}
    wanted = state.take_made() or (asked if CHOSEN not in st.session_state else "")
    if wanted in known:
        st.session_state[CHOSEN] = wanted
    chosen = known[
        str(
            st.selectbox(
                "Study",
                list(known),
                key=CHOSEN,
                format_func=lambda one: f"{known[one].name} ({known[one].items} {known[one].kind})",
                persist_state="session",
            )
        )
    ]
    people = ", ".join(map(plain, chosen.annotators)) or "nobody yet"
    of = f" of {plain(chosen.model)}" if chosen.model else ""
    st.caption(
        f"{counted(chosen.items, chosen.kind.removesuffix('s'))}{of}, made {chosen.made_at:%Y-%m-%d}. "
        f"Annotators: {people}."
    )
    return chosen


def join(studies: Studies, chosen: Listed) -> None:
    """A name and a button. A name that is in use is told, and asked about, before anything is shown under it."""
    # A form, so that Enter begins; it sends the name with its button only.
    with (
        st.form(f"study_join_{chosen.study}", border=False),
        st.container(horizontal=True, vertical_alignment="bottom", gap="small"),
    ):
        typed = st.text_input(
            "Your name or a pseudonym", key=f"{NAME}_{chosen.study}", max_chars=40, persist_state="session"
        )
        begun = st.form_submit_button("Begin", type="primary", icon=":material/play_arrow:", key="study_begin")
    if begun:
        st.session_state.pop(_ASKED, None)
        try:
            name = checked_name(typed, chosen.annotators)
        except InputError as error:
            show_error(error)
            return
        if name not in chosen.annotators:
            state.open_study(chosen.study, name)
            st.rerun()
        st.session_state[_ASKED] = (chosen.study, name)
    asked = st.session_state.get(_ASKED)
    if asked and asked[0] == chosen.study:
        done = sum(one.done for one in studies.mine(*asked).values())
        st.warning(
            f"Somebody called {plain(asked[1])} has already labelled {counted(done, 'item')} in this study. If that is "
            "you, continue. If not, type another name.",
            icon=":material/group:",
        )
        st.button(
            f"Continue as {plain(asked[1])}",
            key="study_continue",
            icon=":material/play_arrow:",
            on_click=_continue,
            args=asked,
        )
    with st.expander("Invite somebody by link", icon=":material/link:", key="study_invite"):
        here = (st.context.url or "").partition("?")[0]
        st.code(f"{here}?study={chosen.study}&name=NAME", language=None, wrap_lines=True)
        st.caption("Put their name at the end. They can stop at any time; the same link continues.")


def _continue(study: str, name: str) -> None:
    st.session_state.pop(_ASKED, None)
    state.open_study(study, name)
