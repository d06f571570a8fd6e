"""Fetching a public prompt set as a job, beside whatever has the device.

Knows: which set, and which of its prompts. Does not know: pages, or how a set is read.
"""

from __future__ import annotations

from cache.jobs.queue import Job, Queue
from core.prompts.public_sets import fetch_set
from core.prompts.sources import PartKind, PublicSet


def start(queue: Queue, source: PublicSet, kind: PartKind) -> Job:
    """Fetch a set, or read it where it was fetched before. The job's result is a `PromptList`."""
    return queue.submit(
        "download",
        key_of(source, kind),
        source.title,
        lambda control: fetch_set(source.name, kind, progress=control.report, cancelled=control.stop_requested),
        uses_device=False,
    )


def key_of(source: PublicSet, kind: PartKind) -> str:
    """Which set, and which of its prompts."""
    return f"{source.name} {kind}"
