"""The Discover page: the paper's three-stage search over many prompts, with every control it ran.

This file is the page's order of things and nothing else. A run is carried out by the process's one worker; this page
only asks for it and shows what the store has, so leaving and coming back changes nothing.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.search import shared_worker
from cache.store.database import shared_store
from cache.store.runs import Run, Runs
from core import Engine
from pages.discover import new_run, progress, results, state
from pages.shared.engine import engine_or_stop
from pages.shared.runs import run_name
from pages.shared.style import use_style
from pages.shared.text import plain
from pages.shared.trouble import shown_as_sentences

#: Seconds between two looks at a run that is under way.
EVERY = 2.0
_NONE = "–"


def _page(engine: Engine) -> None:
    store = shared_store()
    runs = Runs(store)
    for sentence in (store.trouble, store.notice):
        if sentence:
            st.warning(plain(sentence), icon=":material/database_off:")
    if not engine.has_direction:
        st.info(
            "This model has no refusal direction yet, and the search begins with one; compute it on the Audit page, "
            "under “Provenance”.",
            icon=":material/info:",
        )
        return
    known = {run.run: run for run in runs.all() if run.model == engine.spec.name}
    with (
        st.expander("New run", expanded=not known, icon=":material/add:", key="discover_new"),
        shown_as_sentences("the form for a new run"),
    ):
        new_run.form(engine, runs)
    if not known:
        st.caption("Runs appear here, and stay: pause them, leave the page, come back another day.")
        return
    chosen = _choose(known)
    view = results.views()
    under_way = any(shared_worker().here(run) for run in chosen)
    live = st.fragment(_runs, run_every=EVERY if under_way else None, key="discover_live")
    live(engine, runs, chosen, view, under_way)


def _choose(known: dict[str, Run]) -> list[str]:
    """Which run to look at, and which beside it."""
    state.take_chosen()
    if st.session_state.get(state.RUN) not in known:
        st.session_state[state.RUN] = next(iter(known))
    left, right = st.columns(2, gap="medium")
    with left:
        run = st.selectbox("Run", list(known), key=state.RUN, format_func=lambda r: run_name(known[r]))
    with right:
        others = [_NONE, *(r for r in known if r != run)]
        if st.session_state.get(state.OTHER) not in others:
            st.session_state[state.OTHER] = _NONE
        other = st.selectbox(
            "Beside it",
            others,
            key=state.OTHER,
            disabled=len(others) == 1,
            format_func=lambda r: "no other run" if r == _NONE else run_name(known[r]),
        )
    return [str(run)] if other in (None, _NONE) else [str(run), str(other)]


def _runs(engine: Engine, runs: Runs, chosen: list[str], view: str, was_under_way: bool) -> None:
    """One run, or two side by side; looked at again and again while one of them is under way."""
    with st.container(key="discover_results"):
        for column, run in zip(st.columns(len(chosen), gap="medium"), chosen, strict=True):
            with column, shown_as_sentences("the results of a run"):
                with st.container():  # a place of its own, so that what is below stays put when the bar goes
                    progress.bar(engine, runs, runs.get(run))
                results.show(view, run, runs.ledger(run), runs.inputs(run), runs.facts(run))
    if was_under_way != any(shared_worker().here(run) for run in chosen):
        st.rerun()


use_style()
st.title("Discover what refuses", anchor=False)
st.markdown(
    "Search the SAE features for those whose ablation turns a refusal into an answer, over many prompts at once."
)
the_engine = engine_or_stop()
with shown_as_sentences("the Discover page"):
    _page(the_engine)
