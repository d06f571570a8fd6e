"""The Discover page: the paper's three-stage search over many prompts, with every control it ran.

This file is the page's order of things and nothing else. A run is a job of the process's queue; this page only submits
it and shows what the store has, so leaving and coming back changes nothing.
"""

from __future__ import annotations

import streamlit as st

from cache.store.database import shared_store
from cache.store.runs import Run, Runs
from core import Engine
from pages.discover import example, new_run, progress, results, stability, state
from pages.shared.engine import engine_or_stop
from pages.shared.jobs import watch
from pages.shared.progress_bar import progress_bar
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
        _compute_direction(engine)
        return
    known = {run.run: run for run in runs.all() if run.model == engine.spec.name}
    with (
        st.expander("New run", expanded=not known, icon=":material/add:", key="discover_new"),
        shown_as_sentences("the form for a new run"),
    ):
        new_run.form(engine, runs)
    if not known:
        st.caption(
            "Your runs appear here and are kept. A run continues when you leave the page. You can pause it, stop "
            "it, and resume it later."
        )
        example.button(engine)
        return
    chosen = _choose(known)
    view = results.views()
    watch(
        lambda: progress.under_way(chosen), lambda: _runs(engine, runs, chosen, view), key="discover_live", every=EVERY
    )
    with shown_as_sentences("the comparison of runs"):
        stability.section(engine, runs)


def _compute_direction(engine: Engine) -> None:
    """For a model that has no refusal direction yet: what it is for, and the button that computes it."""
    st.info(
        "This model has no refusal direction yet. The search uses it to rank features. It is computed from the bundled "
        "prompts, which takes a few minutes on a CPU.",
        icon=":material/info:",
    )
    wanted = st.button(
        "Compute the direction",
        key="discover_direction",
        type="primary",
        help="Any click on the page stops it. Other rules for its layer are on the Audit page, under “Provenance”.",
    )
    if wanted:
        with progress_bar("Starting") as progress:
            engine.compute_direction(progress=progress)
        st.rerun()


def _choose(known: dict[str, Run]) -> list[str]:
    """The run to look at, and the one to compare it with."""
    state.take_chosen()
    if st.session_state.get(state.RUN) not in known:
        st.session_state[state.RUN] = next(iter(known))
    left, right = st.columns(2, gap="medium")
    with left:
        run = st.selectbox(
            "Run", list(known), key=state.RUN, format_func=lambda r: run_name(known[r]), persist_state="session"
        )
    with right:
        others = [_NONE, *(r for r in known if r != run)]
        if st.session_state.get(state.OTHER) not in others:
            st.session_state[state.OTHER] = _NONE
        other = st.selectbox(
            "Compare with",
            others,
            key=state.OTHER,
            disabled=len(others) == 1,
            format_func=lambda r: "nothing" if r == _NONE else run_name(known[r]),
            help="There is no other run yet."
            if len(others) == 1
            else "Another run, shown side by side with the first.",
            persist_state="session",
        )
    return [str(run)] if other in (None, _NONE) else [str(run), str(other)]


def _runs(engine: Engine, runs: Runs, chosen: list[str], view: str) -> None:
    """One run, or two side by side."""
    with st.container(key="discover_results"):
        for column, run in zip(st.columns(len(chosen), gap="medium"), chosen, strict=True):
            with column, shown_as_sentences("the results of a run"):
                with st.container():  # a place of its own, so that what is below does not move when the bar goes
                    progress.bar(engine, runs, runs.get(run))
                results.show(view, engine, runs, runs.get(run))


use_style()
st.title("Discover which features cause refusal", anchor=False)
st.markdown(
    "Find the SAE features whose ablation turns refusals into answers: the paper's three-stage search, over many "
    "prompts."
)
the_engine = engine_or_stop()
with shown_as_sentences("the Discover page"):
    _page(the_engine)
