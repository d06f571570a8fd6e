"""Loading another model from a page: the job that does it, how far it is, and how it ended where it failed.

Knows: the queue's jobs of the kind “model”. Does not know: which models there are, or how one is loaded. The choice
holds for the whole process: every visitor uses the same model.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import models
from cache.jobs.queue import shared_queue
from core import ModelSpec
from pages.shared.jobs import INSTANT, job_bar
from pages.shared.text import plain

#: The id of the job whose end the visitor has dismissed.
SEEN = "models_seen"


def start(spec: ModelSpec) -> None:
    """Fetch and load a model, and let every page use it then. For a button's callback."""
    queue = shared_queue()
    queue.wait(models.start(queue, spec).id, INSTANT)


def under_way() -> bool:
    """Whether any model is being loaded, whoever started that."""
    return bool(shared_queue().under_way("model"))


def has_ended(spec: ModelSpec) -> bool:
    """Whether no model is being loaded any more, where this one is loaded: its own job is given a moment to end."""
    queue = shared_queue()
    if (own := queue.latest("model", models.key_of(spec))) is not None:
        queue.wait(own.id, INSTANT)
    return not under_way()


def bars() -> None:
    """Every load under way, each with a button that stops it."""
    for number, job in enumerate(shared_queue().under_way("model")):
        job_bar(
            job,
            f"models_stop{number or ''}",
            "The downloaded part is kept, and the current model stays in use.",
            job.title,
        )


def outcome(spec: ModelSpec) -> None:
    """How the last load of this model ended, if it was stopped or failed and the visitor has not dismissed that."""
    last = shared_queue().latest("model", models.key_of(spec))
    if last is None or last.id == st.session_state.get(SEEN):
        return
    if last.state == "stopped":
        st.info(plain(last.message), icon=":material/stop_circle:")
    elif last.state == "failed":
        st.error(plain(last.error), icon=":material/error:")


def dismiss(spec: ModelSpec) -> None:
    """Show no more how the last load of this model ended."""
    last = shared_queue().latest("model", models.key_of(spec))
    st.session_state[SEEN] = last.id if last else None
