"""The Judges page: answers, judges, what they say, and how far they agree.

This file is the page's order of things and nothing else. Judging goes on in the background and is kept in the store, so
leaving and coming back changes nothing; no model is loaded to look at the page.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.judging import shared_judging
from cache.store.database import shared_store
from cache.store.judgements import Judgements
from cache.store.runs import Runs
from pages.judges import choose, progress, results, source, stored
from pages.judges.source import Answers
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences

#: Seconds between two looks at judging that is under way.
EVERY = 1.5


def _page() -> None:
    store = shared_store()
    kept = Judgements(store)
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    answers = None
    with shown_as_sentences("choosing answers"):
        answers = source.section(Runs(store))
    if answers is not None:
        with shown_as_sentences("choosing judges"):
            choose.section(answers, kept)
    under_way = bool(shared_judging().under_way())
    st.fragment(_live, run_every=EVERY if under_way else None, key="judges_live")(answers, kept, under_way)


def _live(answers: Answers | None, kept: Judgements, was_under_way: bool) -> None:
    """Looked at again and again while anything is being judged."""
    if was_under_way and not shared_judging().under_way():
        st.rerun()
    with st.container(key="judges_progress"):
        progress.section(answers.key if answers else "")
    with st.container(key="judges_results"):
        if answers is not None:
            with shown_as_sentences("the results"):
                results.section(answers, kept)
    with st.container(key="judges_stored"), shown_as_sentences("what is stored"):
        stored.section(kept, opened=answers is None)


use_style()
st.title("Judges", anchor=False)
st.markdown("How many of these answers are refusals, and would another judge say the same?")
_page()
