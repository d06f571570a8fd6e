"""The Judges page: answers, judges, their judgements, and how far judges agree.

This file is the page's order of things and nothing else. Judging is a job that goes on in the background and is kept in
the store, so leaving and coming back changes nothing; no model is loaded to look at the page.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.queue import shared_queue
from cache.store.database import shared_store
from cache.store.judgements import Judgements
from cache.store.runs import Runs
from pages.judges import choose, progress, results, source, stored
from pages.judges.source import Answers
from pages.shared.jobs import watch
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences


def _page() -> None:
    store = shared_store()
    kept = Judgements(store)
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    answers = None
    with shown_as_sentences("choosing answers"):
        answers = source.choose_answers(Runs(store))
    if answers is not None:
        with shown_as_sentences("choosing judges"):
            choose.choose_judges(answers, kept)
    watch(lambda: bool(shared_queue().under_way("judging")), lambda: _live(answers, kept), key="judges_live")


def _live(answers: Answers | None, kept: Judgements) -> None:
    """Looked at again and again while anything is being judged."""
    with st.container(key="judges_progress"):
        progress.show_progress(answers.key if answers else "")
    with st.container(key="judges_results"):
        if answers is not None:
            with shown_as_sentences("the results"):
                results.show_results(answers, kept)
    with st.container(key="judges_stored"), shown_as_sentences("what is stored"):
        stored.compare_stored(kept)


use_style()
st.title("Judges", anchor=False)
st.markdown("Count the refusals in a set of answers, and check whether another judge agrees.")
_page()
