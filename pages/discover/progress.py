"""How a run stands: where it is, what is left, and the buttons that hold it, end it or let it go on.

Knows: the worker and the store's word on a run. Does not know: results.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.search import Worker, shared_worker
from cache.store.runs import Run, Runs
from core import Engine
from pages.shared.text import duration, plain

_ICONS = {
    "running": ":material/directions_run:",
    "paused": ":material/pause_circle:",
    "stopped": ":material/stop_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "waiting": ":material/hourglass_empty:",
}


def standing(run: Run, worker: Worker) -> str:
    """running, paused, waiting, stopped, finished or failed; a run that died with its process is stopped."""
    if worker.here(run.run):
        return "paused" if worker.paused(run.run) else "waiting" if worker.waits(run.run) else "running"
    return "stopped" if run.state in ("running", "paused") else run.state


def bar(engine: Engine, runs: Runs, run: Run) -> None:
    """State, progress and buttons of one run."""
    worker, stands = shared_worker(), standing(run, shared_worker())
    where = worker.progress(run.run)
    if where is not None and stands in ("running", "paused"):
        share = (where.stages_done + (where.done / where.of if where.of else 1)) / where.stages
        left = f" · about {duration(where.left)} left in this stage" if where.left else ""
        st.progress(min(share, 1.0), f"{where.title}: {where.done} of {where.of}{left}")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{_ICONS[stands]} **{stands}**" + (f" :gray[{plain(run.note)}]" if run.note else ""))
        if stands in ("running", "waiting"):
            st.button(
                "Pause",
                key=f"pause_{run.run}",
                icon=":material/pause:",
                on_click=worker.pause,
                args=(run.run,),
                help="Hold it after the group of prompts it is at",
            )
        if stands == "paused":
            st.button(
                "Go on", key=f"go_on_{run.run}", icon=":material/play_arrow:", on_click=worker.go_on, args=(run.run,)
            )
        if stands in ("running", "waiting", "paused"):
            st.button(
                "Stop",
                key=f"stop_{run.run}",
                icon=":material/stop:",
                on_click=worker.stop,
                args=(run.run,),
                help="End it after the group it is at; what it found is kept, and it can be resumed",
            )
        if stands in ("stopped", "failed"):
            st.button(
                "Resume",
                key=f"resume_{run.run}",
                icon=":material/resume:",
                on_click=worker.start,
                args=(run.run, engine, runs),
            )
