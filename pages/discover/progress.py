"""How a run stands: where it is, what is left, and the buttons that pause it, stop it or let it go on.

Knows: the run's job, and the state in the store. Does not know: results.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import search
from cache.jobs.queue import State, shared_queue
from cache.store.provenance import other_versions, unchecked
from cache.store.runs import Run, Runs
from core import Engine
from pages.discover import workers
from pages.shared.jobs import status, waits_for
from pages.shared.text import plain

_ICONS: dict[State, str] = {
    "running": ":material/directions_run:",
    "paused": ":material/pause_circle:",
    "stopping": ":material/stop_circle:",
    "stopped": ":material/stop_circle:",
    "finished": ":material/check_circle:",
    "failed": ":material/error:",
    "waiting": ":material/hourglass_empty:",
}


def under_way(runs: list[str]) -> bool:
    """Whether any of these runs is being carried out, or waits, in this process."""
    return any(search.job_of(shared_queue(), run) for run in runs)


def bar(engine: Engine, runs: Runs, run: Run) -> None:
    """State, progress and buttons of one run."""
    queue = shared_queue()
    job, state = search.job_of(queue, run.run), search.state_of(queue, run)
    if job is not None and job.message and state in ("running", "paused", "stopping"):
        st.progress(job.share, status(job))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"{_ICONS[state]} **{state}**" + (f" :gray[{note}]" if (note := _note(run, state)) else ""))
        if state in ("running", "waiting"):
            st.button(
                "Pause",
                key=f"pause_{run.run}",
                icon=":material/pause:",
                on_click=search.pause,
                args=(queue, runs, run.run),
                help="Pauses the run after the current prompts. Other jobs can use the device in the meantime.",
            )
        if state == "paused":
            st.button(
                "Continue",
                key=f"go_on_{run.run}",
                icon=":material/play_arrow:",
                on_click=search.go_on,
                args=(queue, runs, run.run),
            )
        if state in ("running", "waiting", "paused"):
            st.button(
                "Stop",
                key=f"stop_{run.run}",
                icon=":material/stop:",
                on_click=search.stop,
                args=(queue, runs, run.run),
                help="Stops the run after the current prompts. Its results are kept, and you can resume it.",
            )
        if state in ("stopped", "failed"):
            st.button(
                "Resume",
                key=f"resume_{run.run}",
                icon=":material/resume:",
                on_click=_resume,
                args=(runs, run.run, engine),
                help=" ".join(["Continues from where the run stopped. Nothing is computed twice.", *_to_know(run)]),
            )


def _to_know(run: Run) -> list[str]:
    """What to know before a run is resumed: sentences."""
    return [plain(said) for about in (unchecked, other_versions) if (said := about("The run", run))]


def _resume(runs: Runs, run: str, engine: Engine) -> None:
    search.start(shared_queue(), runs, run, engine, workers.chosen())


def _note(run: Run, state: State) -> str:
    """What stands beside the state, as Markdown."""
    job = search.job_of(shared_queue(), run.run)
    if job is not None and state == "waiting":
        return waits_for(job)
    return plain(run.note) if run.state == state else ""
