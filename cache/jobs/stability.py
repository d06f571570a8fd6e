"""Comparing runs as a job: SAEs are read, which takes a while for wide ones, but no model is.

Knows: which runs. Does not know: pages, or how runs are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.jobs.queue import Job, Queue
from cache.store.runs import Runs
from cache.store.stability import compare_runs


def start(queue: Queue, runs: Runs, chosen: Sequence[str]) -> Job:
    """Compare runs. The job's result is a `Table`."""
    return queue.submit(
        "stability",
        key_of(chosen),
        "Comparing runs",
        lambda control: compare_runs(runs, chosen, control.report, control.stop_requested),
        uses_device=False,
    )


def key_of(chosen: Sequence[str]) -> str:
    """Which runs, in the order they were named."""
    return " ".join(chosen)
