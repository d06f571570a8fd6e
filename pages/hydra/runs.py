"""A minimal set of a discovery run as the edit to start from.

Knows: runs in the store and their minimal sets. Does not know: what is done with the edit.
"""

from __future__ import annotations

import streamlit as st

from cache.store.database import shared_store
from cache.store.runs import Runs
from core import Engine
from core.discovery.tables.search import minimal_sets
from pages.shared.runs import run_name
from pages.shared.text import counted
from pages.shared.workspace import session


def source(engine: Engine) -> None:
    """A popover: a run, one of its prompts, and a button that takes over both prompt and set."""
    runs = Runs(shared_store())
    known = {run.run: run for run in runs.of(engine)}
    if not known:
        return
    with st.popover(
        "From a run",
        icon=":material/travel_explore:",
        key="hydra_from_run",
        help="Use a minimal set that a search run found for a prompt",
    ):
        chosen = st.selectbox(
            "Run", list(known), format_func=lambda run: run_name(known[run]), key="hydra_run", persist_state="session"
        )
        found = minimal_sets(runs.ledger(chosen))
        if found.empty:
            st.caption("This run has no minimal sets yet. Stage 2 of the search finds them.")
            return
        prompts = runs.inputs(chosen).harmful
        sets = {
            str(row.item): (prompts[int(str(row.item).partition("/")[2])], list(row.features))
            for row in found.itertuples()
        }
        item = st.selectbox(
            "Prompt",
            list(sets),
            key=f"hydra_item_{chosen}",
            format_func=lambda name: f"{sets[name][0][:60]} ({counted(len(sets[name][1]), 'feature')})",
            persist_state="session",
        )
        st.button("Use this set", key="hydra_take_run", on_click=session.set_both, args=sets[item])
