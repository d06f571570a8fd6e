"""Reading what a set of features is about, as a job: prompts are read and features ablated one by one.

Knows: which features and prompts. Does not know: pages, or how anything is tested. Nothing of it is kept on disk.
"""

from __future__ import annotations

from collections.abc import Sequence

from cache.jobs.queue import Control, Job, Queue
from core import Engine, Feature
from core.errors import Cancelled
from core.labels.notes import Labels
from core.prompts.categories import Labelled
from core.prompts.checks import prompts_digest
from core.semantics.about import About, read_about
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

    def work(control: Control) -> About:
        found = read_about(
            engine, prompts, name, features, known, firing, writer, control.report, control.stop_requested
        )
        if found is None:
            raise Cancelled("Stopped. Nothing was kept, because a part of the prompts says nothing of the others.")
        return found

    return queue.submit("features", key_of(engine_key, prompts, features, writer), name, work)


def key_of(engine_key: str, prompts: Labelled, features: Sequence[Feature], writer: Engine | None = None) -> str:
    """Which features on which prompts of which engine, and who writes labels."""
    by = writer.spec.name if writer else ""
    return f"{engine_key}|{prompts.digest}|{prompts_digest([str(feature) for feature in features])}|{by}"
