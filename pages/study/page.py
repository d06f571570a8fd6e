"""The Study page: one study's items under one name, or the studies there are, with results and a way to make one.

This file is the page's order of things and nothing else. Everything is in the store, so a reload, a restart or leaving
and coming back changes nothing; no model is loaded to annotate.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.queue import shared_queue
from cache.store.database import Store, shared_store
from cache.store.studies import Studies, checked_name
from core import InputError
from pages.shared import notice
from pages.shared.jobs import watch
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import show_error, shown_as_sentences
from pages.study import annotate, join, new, results, state


def _page() -> None:
    store = shared_store()
    studies = Studies(store)
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    if sentence := notice.take():
        st.warning(plain(sentence), icon=":material/error:")
    identifier, name = state.current()
    if identifier and name:
        _annotating(studies, identifier, name)
    else:
        _overview(store, studies, identifier)


def _annotating(studies: Studies, identifier: str, name: str) -> None:
    try:
        study = studies.get(identifier)
        name = checked_name(name, studies.annotations(identifier))
    except InputError as error:
        show_error(error)
        st.button("Show all studies", key="study_leave", on_click=state.leave)
        return
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="study_heading"
    ):
        st.markdown(f"**Study {plain(study.name)}** :gray[as {plain(name)}]", width="content")
        st.button("Leave", key="study_leave", icon=":material/logout:", type="tertiary", on_click=state.leave)
    with shown_as_sentences("annotating"):
        st.fragment(annotate.annotate, key="study_annotating")(studies, identifier, study, name)


def _overview(store: Store, studies: Studies, asked: str) -> None:
    st.title("Study", anchor=False)
    st.markdown(
        "Ask people what features are about, or what answers are, and see how far they agree with what is measured."
    )
    every = studies.all()
    if asked and not any(one.study == asked for one in every):
        with shown_as_sentences("opening a study"):
            studies.get(asked)
    if every:
        with shown_as_sentences("choosing a study"):
            chosen = join.choose(every, asked)
            join.join(studies, chosen)
            if st.toggle(
                "Show results",
                key="study_results",
                persist_state="session",
                help="Label first, then look: the results name the measured categories.",
            ):
                with shown_as_sentences("the results"), st.container(border=True, key="study_results_shown"):
                    results.show(store, studies, chosen.study, studies.get(chosen.study))
    st.subheader("Make a study", anchor="make")
    with shown_as_sentences("making a study"):
        new.form(store, every)
    watch(lambda: bool(shared_queue().under_way("study")), new.show_progress, key="study_live")


use_style()
_page()
