"""Runs of the search as jobs: started, paused, stopped and resumed while people use the pages.

Knows: runs in the store, and how a run's states follow its job's. Does not know: pages, or what a stage computes. What
a run found is in the store before its next group of prompts begins; when the process ends, the run ends where it is,
and can be resumed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from cache.jobs.queue import Control, Job, Queue, State, unforeseen
from cache.store.provenance import check_computed_on
from cache.store.runs import Run, Runs
from core import Engine
from core.discovery.context import Work
from core.discovery.groups import Crew, here
from core.discovery.runner import RunProgress, run_steps
from core.errors import Cancelled, HydrascopeError
from core.scale.cluster import LOCAL, size_of
from core.scale.search import ray_crew

STOPPED = "Stopped. The results so far are kept, and you can resume the run."


def start(queue: Queue, runs: Runs, identifier: str, engine: Engine, workers: int = 0) -> Job:
    """Start a run, or go on with one, as soon as the device is free. A run that is under way is not started twice.

    workers: processes on this machine that carry it out, with Ray; 0 is this process.
    """

    def work(control: Control) -> None:
        try:
            control.checkpoint()
            runs.set_state(identifier, "running")
            asked = runs.work(identifier, engine)
            with closing(asked.judge), _crew_of(asked, runs.get(identifier), workers, control) as crew:
                run_steps(asked, control.checkpoint, lambda where: _report(control, where), crew)
        except Cancelled:
            runs.set_state(identifier, "stopped")
            raise Cancelled(STOPPED) from None
        except HydrascopeError as error:
            runs.set_state(identifier, "failed", str(error))
            raise
        except Exception as error:
            runs.set_state(identifier, "failed", unforeseen(error))
            raise
        runs.set_state(identifier, "finished")

    return queue.submit("search", identifier, runs.get(identifier).name, work)


@contextmanager
def _crew_of(work: Work, run: Run, workers: int, control: Control) -> Iterator[Crew]:
    """This process, or workers that end with the run. Raises InputError where they compute otherwise than the run says,
    ClusterError."""
    if not workers:
        yield here
        return
    control.report(f"Starting {workers} worker processes", 0.0)
    with ray_crew(work, LOCAL, size_of(workers)) as crew:
        found = crew.first(control.checkpoint).identity
        check_computed_on(f"Run {run.run}", run, found.number_format, found.device)
        yield crew


def pause(queue: Queue, runs: Runs, identifier: str) -> None:
    """Hold a run after the group of prompts it is at."""
    job = job_of(queue, identifier)
    if job is not None and queue.pause(job.id):
        runs.set_state(identifier, "paused")


def go_on(queue: Queue, runs: Runs, identifier: str) -> None:
    """Let a paused run go on."""
    job = job_of(queue, identifier)
    if job is not None and queue.go_on(job.id):
        runs.set_state(identifier, "running")


def stop(queue: Queue, runs: Runs, identifier: str) -> None:
    """End a run after the group of prompts it is at."""
    job = job_of(queue, identifier)
    if job is not None:
        queue.stop(job.id)
        if job.state in ("waiting", "paused"):  # its function may never be called, and cannot write this down
            runs.set_state(identifier, "stopped")


def job_of(queue: Queue, identifier: str) -> Job | None:
    """The job of a run that is under way in this process, or None."""
    job = queue.latest("search", identifier)
    return job if job is not None and job.under_way else None


def state_of(queue: Queue, run: Run) -> State:
    """How a run stands. One that the store calls running, but that is not under way here, died with its process: it is
    stopped."""
    job = job_of(queue, run.run)
    if job is not None:
        return job.state
    return "finished" if run.state == "finished" else "failed" if run.state == "failed" else "stopped"


def _report(control: Control, where: RunProgress) -> None:
    share = (where.steps_done + (where.done / where.of if where.of else 1.0)) / where.steps
    control.report(f"{where.title}: {where.done:,} of {where.of:,}", share, where.left or None)
