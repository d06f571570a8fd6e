"""The reading of a set of features on labelled prompts: the button, the job, and its result, also from an earlier day.

Knows: the job's key. Does not know: what the result says.
"""

from __future__ import annotations

import streamlit as st

from cache.jobs import features as job
from cache.jobs.queue import Job, shared_queue
from core import Engine
from core.labels.notes import Labels
from core.prompts.categories import Labelled
from core.semantics.about import About
from pages.features.source import Chosen
from pages.shared import meanings
from pages.shared.jobs import INSTANT, job_bar, watch
from pages.shared.kept import Kept
from pages.shared.text import counted, plain

#: More features than this take too long to ablate one by one.
MOST = 400


def result(
    key: str, labels: Labels, prompts: Labelled | None, chosen: Chosen, writer: Engine | None = None
) -> About | None:
    """What was read of these features on these prompts in this process, if anything."""
    if prompts is None or not chosen.features:
        return None
    name = job.key_of(key, prompts, chosen.features, labels, writer)
    there = _job(key, labels, prompts, chosen, writer)
    if there is not None and isinstance(there.result, About):
        _kept().put(("about", name), there.result)  # jobs are forgotten sooner
        _kept().put(("firing", key, prompts.digest), there.result.firing)
        meanings.remember(key, there.result)
    found: About | None = _kept().get(("about", name))
    return found


def kept(
    engine: Engine, key: str, labels: Labels, prompts: Labelled | None, chosen: Chosen, writer: Engine | None
) -> About | None:
    """A reading that was kept on the disk, by this process or an earlier one; its tables are made again in seconds."""
    if prompts is None or not chosen.features or _under_way(key, labels, prompts, chosen, writer):
        return None
    measured = job.measured_key(key, prompts, chosen.features, labels, writer)
    if _job(key, labels, prompts, chosen, writer) is None and job.is_kept(measured):
        _start(engine, key, labels, prompts, chosen, writer)
    return result(key, labels, prompts, chosen, writer)


def button(
    engine: Engine, key: str, labels: Labels, prompts: Labelled | None, chosen: Chosen, writer: Engine | None
) -> None:
    """The button that begins the reading, where there is none under way."""
    if prompts is None or not chosen.features or _under_way(key, labels, prompts, chosen, writer):
        return
    many, count = len(chosen.features) > MOST, len(prompts.texts) + len(prompts.contrast)
    st.button(
        f"Read what {'it is' if len(chosen.features) == 1 else f'these {len(chosen.features):,} are'} about",
        key="features_read",
        icon=":material/science:",
        type="primary",
        disabled=many,
        on_click=_start,
        args=(engine, key, labels, prompts, chosen, writer),
        help=f"Choose at most {MOST} features."
        if many
        else f"Reads {counted(count, 'prompt')}, and ablates each feature and as many random ones by itself. It takes "
        "some minutes on a processor.",
    )


def progress(key: str, labels: Labels, prompts: Labelled | None, chosen: Chosen, writer: Engine | None) -> None:
    """How far a reading is, or why it ended without a result."""
    if prompts is None or not chosen.features:
        return
    watch(
        lambda: _under_way(key, labels, prompts, chosen, writer),
        lambda: _progress(key, labels, prompts, chosen, writer),
        "features_reading",
        every=1.0,
    )


def _start(engine: Engine, key: str, labels: Labels, prompts: Labelled, chosen: Chosen, writer: Engine | None) -> None:
    firing = _kept().get(("firing", key, prompts.digest))
    queue = shared_queue()
    begun = job.start(queue, engine, key, prompts, chosen.name, chosen.features, labels, firing, writer)
    queue.wait(begun.id, INSTANT)


def _job(key: str, labels: Labels, prompts: Labelled, chosen: Chosen, writer: Engine | None) -> Job | None:
    return shared_queue().latest("features", job.key_of(key, prompts, chosen.features, labels, writer))


def _under_way(key: str, labels: Labels, prompts: Labelled, chosen: Chosen, writer: Engine | None) -> bool:
    there = _job(key, labels, prompts, chosen, writer)
    return there is not None and there.under_way


def _progress(key: str, labels: Labels, prompts: Labelled, chosen: Chosen, writer: Engine | None) -> None:
    """How far the reading is, or why it ended without a result."""
    there = _job(key, labels, prompts, chosen, writer)
    if there is None:
        return
    if there.under_way:
        job_bar(there, "features_stop", "Nothing is kept of a reading that was stopped.")
    elif there.state == "stopped":
        st.info(plain(there.message), icon=":material/stop_circle:")
    elif there.state == "failed":
        st.error(plain(there.error), icon=":material/error:")


@st.cache_resource(show_spinner=False)
def _kept() -> Kept:
    """Results and firings of this process: the firing of a list of prompts serves every set of features."""
    return Kept(most=8)
