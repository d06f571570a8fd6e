"""Training SAEs as a job: estimated, started, paused, stopped and continued while people use the pages.

Knows: which engine can be used, how a job's pause and stop reach the training. Does not know: pages, or how an SAE is
trained. Everything a training made is kept in the cache folder; one that was stopped, or died with its process, is
started again with the same settings and goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from cache.engines import engine_of
from cache.jobs.queue import Control, Job, Queue
from core import Engine
from core.errors import Cancelled
from core.models.registry import base_spec
from core.models.trained import base_name, suite_name
from core.text.layers import layers_text
from core.training.command import load_plain, plan_for, texts_for, train_for
from core.training.estimate import Plan, probed
from core.training.settings import TrainingSettings


def start(queue: Queue, name: str, settings: TrainingSettings, prompts: Sequence[str] = ()) -> Job:
    """Train SAEs for a model, or go on with a training. The job's result is the name of the suite."""

    def work(control: Control) -> str:
        engine = _engine(name, control)
        train_for(name, settings, prompts=prompts, engine=engine, progress=control.report, cancelled=_asked(control))
        return suite_name(name)

    title = f"SAEs of {base_name(name)}, layers {layers_text(settings.layers)}"
    return queue.submit("training", base_name(name), title, work)


def start_estimate(queue: Queue, name: str, settings: TrainingSettings, prompts: Sequence[str] = ()) -> Job:
    """Find out what a training will take. The job's result is a `Plan`."""

    def work(control: Control) -> Plan:
        control.report("Loading the model", 0.0)
        engine = _engine(name, control)
        control.report("Running a little of each part", 0.5)
        return probed(engine, plan_for(name, engine, settings, prompts), settings, texts_for(name, settings, prompts))

    return queue.submit("estimate", base_name(name), f"an estimate for {base_name(name)}", work)


def job_of(queue: Queue, name: str) -> Job | None:
    """The training of this model that is under way in this process, or None."""
    job = queue.latest("training", base_name(name))
    return job if job is not None and job.under_way else None


def _engine(name: str, control: Control) -> Engine:
    """One of this model that the pages have loaded, so that its weights are in memory once; else one without SAEs."""
    spec = base_spec(name)
    found = engine_of(spec.model_id, spec.revision, spec.adapter)
    return found or load_plain(name, progress=control.report, cancelled=control.stop_requested)


def _asked(control: Control) -> Callable[[], bool]:
    """cancelled() for the training: waits while the job is paused, and is true once it is to stop."""

    def cancelled() -> bool:
        with suppress(Cancelled):
            control.checkpoint()
        return control.stop_requested()

    return cancelled
