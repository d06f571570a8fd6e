"""Reading what a set of features is about, as a job: prompts are read and features ablated one by one.

Knows: which features and prompts, where a reading is kept. Does not know: pages, or how anything is tested.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.jobs.queue import Control, Job, Queue
from cache.store.readings import keep_reading, kept_reading, reading_file
from core import Engine, Feature, __version__
from core.errors import Cancelled
from core.labels.notes import Labels
from core.prompts.categories import Labelled
from core.prompts.checks import prompts_digest
from core.semantics.about import About, about_of, measure_about
from core.semantics.firing import Firing


def start(
    queue: Queue,
    engine: Engine,
    engine_key: str,
    prompts: Labelled,
    name: str,
    features: Sequence[Feature],
    known: Labels,
    firing: Firing | None,
    writer: Engine | None,
) -> Job:
    """engine_key: everything of the engine that a number depends on. firing: of these prompts, where it was read
    before. writer: the model that writes one-sentence labels, if any. The job's result is an `About`."""

    key = measured_key(engine_key, prompts, features, known, writer)

    def work(control: Control) -> About:
        found = kept_reading(key)
        if found is None:
            stop = control.stop_requested
            found = measure_about(engine, prompts, features, known, firing, writer, control.report, stop)
            if found is None:
                raise Cancelled("Stopped. Nothing was kept, because a part of the prompts says nothing of the others.")
            keep_reading(key, found)
        return about_of(engine, prompts, name, features, known, found)

    return queue.submit("features", key_of(engine_key, prompts, features, known, writer), name, work)


def is_kept(key: str) -> bool:
    """Whether the reading of a key was kept by this process or an earlier one, so that the job takes seconds."""
    return reading_file(key).is_file()


def key_of(
    engine_key: str, prompts: Labelled, features: Sequence[Feature], known: Labels, writer: Engine | None = None
) -> str:
    """Of a job: what was measured, and with which labels its tables were made."""
    return f"{measured_key(engine_key, prompts, features, known, writer)}|{known.version}"


def measured_key(
    engine_key: str, prompts: Labelled, features: Sequence[Feature], known: Labels, writer: Engine | None = None
) -> str:
    """Which features on which prompts of which engine, the version that measures, and who writes sentences: the
    writer's weights, number format and thinking, with the labels whose contexts they are written from."""
    by = f"{_writer_key(writer)}, {known.version}" if writer else ""
    return f"{__version__}|{engine_key}|{prompts.digest}|{prompts_digest([str(feature) for feature in features])}|{by}"


def _writer_key(writer: Engine) -> str:
    """Everything of the model that a sentence depends on: another one may come under the same name."""
    runtime = writer.runtime
    return f"{writer.spec.name}, {runtime.digests.weights}, {writer.placement}, thinking {runtime.template.thinking}"
