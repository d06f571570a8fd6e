"""How a job of the queue stands, on any page: what it does or waits for, how far it is, and a button that stops it.

Knows: the process's queue, and how often a page looks at it. Does not know: what any job does, or its results.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from cache.jobs.queue import Job, Kind, shared_queue
from pages.shared.text import duration, plain

#: Seconds a click waits for a job, so that what is done in an instant is there when the page is drawn.
INSTANT = 0.8
_TITLES: dict[Kind, str] = {
    "search": "the search",
    "judging": "judging",
    "defence": "the evaluation",
    "model": "loading",
    "check": "the check of",
    "download": "the download of",
    "training": "the training of",
    "estimate": "the estimate",
    "stability": "the comparison",
    "features": "the reading of",
    "study": "making the study",
}


def watch(under_way: Callable[[], bool], draw: Callable[[], None], key: str, every: float = 1.5) -> None:
    """Draw now, and again every few seconds while a job is under way. When the last one ends, or a click in this part
    starts one, run the whole page again: how often a part is drawn is fixed by the run of the page that made it.

    under_way: whether anything that `draw` shows is under way. key: names this part of the page.
    """
    before = under_way()

    def live() -> None:
        if before != under_way():
            st.rerun()
        draw()

    st.fragment(live, run_every=every if before else None, key=key)()


def job_bar(job: Job, key: str, stop_help: str, title: str = "") -> None:
    """A bar with what the job does, and a button that stops it. title: opens the text, where there are several."""
    st.progress(job.share, (f"{plain(title, most=60)} · " if title else "") + status(job))
    st.button(
        "Stop",
        key=key,
        icon=":material/stop:",
        on_click=shared_queue().stop,
        args=(job.id,),
        disabled=job.state == "stopping",
        help=f"{stop_help} You can leave this page while the job runs.",
    )


def status(job: Job) -> str:
    """What a job that is under way does now, as Markdown."""
    message = plain(job.message)
    if job.state == "waiting":
        return f"{message + '. ' if message else ''}{waits_for(job)}"
    if job.state == "stopping":
        return f"Stopping after this step. {message}"
    left = f" · about {duration(job.seconds_left)} left in this stage" if job.seconds_left else ""
    return f"{message or 'Starting'}{left}"


def waits_for(job: Job) -> str:
    """Which job has the device that this one waits for, as Markdown."""
    other = shared_queue().has_device()
    if other is None or other.id == job.id:
        return "Waiting for the device"
    way = " Pause or stop it on the Discover page to go first." if other.kind == "search" else ""
    return f"Waiting until {_TITLES[other.kind]} “{plain(other.title, most=40)}” ends.{way}"
