"""The same search with other SAEs: runs of one model compared, whichever SAEs they used.

Knows: which runs can be chosen, and the job that compares them. Does not know: how runs are compared.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import stability
from cache.jobs.queue import Job, shared_queue
from cache.store.runs import Runs
from cache.store.stability import comparable
from core import Engine
from core.discovery.tables.table import Table
from pages.discover import state
from pages.shared.downloads import download
from pages.shared.jobs import INSTANT, job_bar, watch
from pages.shared.runs import run_name
from pages.shared.text import counted, plain


def section(engine: Engine, runs: Runs) -> None:
    """The choice, the button, and what came out; nothing where fewer than two runs can be compared."""
    known = {run.run: run for run in comparable(runs, engine.spec)}
    if len(known) < 2:
        return
    with st.expander("The same search with other SAEs", icon=":material/difference:", key="discover_stability"):
        st.caption(
            "SAEs of other seeds or widths learn other features. Choose runs of this model with different SAEs to see "
            "how much of what they found is the same, beside what chance gives."
        )
        chosen = st.multiselect(
            "Runs to compare",
            list(known),
            key=state.SAME_SEARCH,
            format_func=lambda run: f"{run_name(known[run])} · {known[run].model}",
            persist_state="session",
        )
        st.button(
            "Compare",
            key="discover_compare",
            icon=":material/difference:",
            disabled=len(chosen) < 2,
            on_click=_start,
            args=(runs, tuple(chosen)),
            help="Choose at least two runs." if len(chosen) < 2 else None,
        )
        watch(lambda: _under_way(chosen), lambda: _result(chosen), key="discover_comparing", every=1.0)


def _start(runs: Runs, chosen: tuple[str, ...]) -> None:
    queue = shared_queue()
    queue.wait(stability.start(queue, runs, chosen).id, INSTANT)


def _job(chosen: list[str]) -> Job | None:
    return shared_queue().latest("stability", stability.key_of(chosen))


def _under_way(chosen: list[str]) -> bool:
    job = _job(chosen)
    return job is not None and job.under_way


def _result(chosen: list[str]) -> None:
    """How far the comparison is, why it failed, or its table."""
    job = _job(chosen)
    if job is None:
        return
    if job.under_way:
        job_bar(job, "discover_compare_stop", "SAEs already read stay on this machine.")
    elif job.state == "failed":
        st.error(plain(job.error), icon=":material/error:")
    elif isinstance(job.result, Table):
        frame = job.result.frame
        numbers = [name for name in frame.columns if name not in ("first", "second", "what", "n")]
        st.dataframe(
            frame,
            hide_index=True,
            key="discover_stability_table",
            alt=f"Overlap of runs: {counted(len(frame), 'row')}",
            column_config={name: st.column_config.NumberColumn(format="%.3f") for name in numbers},
        )
        st.caption(f"Paper: “{plain(job.result.section)}”. {plain(job.result.note)}")
        download(frame, "stability")
