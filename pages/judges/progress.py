"""How judging stands: what is done, what waits, and why it ended; and the button that stops it.

Knows: the process's judging jobs. Does not know: judges, results.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs.queue import shared_queue
from pages.shared.jobs import job_bar
from pages.shared.text import plain


def show_progress(key: str) -> None:
    """Every judging job under way, whoever started it, and how the last one on these answers ended. key: of them."""
    queue = shared_queue()
    for job in queue.under_way("judging"):
        job_bar(job, f"judges_stop_{job.id}", "Stops after the answers it is at; what was judged is kept.", job.title)
    last = queue.latest("judging", key)
    if last is not None and last.state == "stopped":
        st.info(f"{plain(last.message)} Press “Judge” to go on.", icon=":material/stop_circle:")
    elif last is not None and last.state == "failed":
        st.error(f"{plain(last.error)} What was judged before is kept.", icon=":material/error:")
