"""Making a study as a job: the model reads the prompts of every category, then the study is in the store.

Knows: which engine, labels and runs. Does not know: pages, or how a study is made (`core.study.from_model`).
"""

from __future__ import annotations

from collections.abc import Callable

from cache.engines import get_engine
from cache.jobs.queue import Control, Job, Queue
from cache.store.database import Store
from cache.store.labels import NeuronpediaLabels, labels_of
from cache.store.provenance import provenance
from cache.store.runs import Runs
from cache.store.studies import Studies
from core import Engine
from core.discovery.ledger import features
from core.discovery.tables.search import minimal_sets
from core.errors import InputError
from core.progress import NEVER, QUIET, Progress
from core.study.from_model import FeatureSource, FeatureStudy, make_study

#: The job's key: one study is made at a time.
KEY = "new"


def start(queue: Queue, store: Store, model: str, asked: FeatureStudy) -> Job:
    """Make a study of a model's features. The job's result is the study's identifier."""

    def work(control: Control) -> str:
        return create(get_engine(model, control.report), store, asked, control.report, control.stop_requested)

    return queue.submit("study", KEY, asked.name, work)


def create(
    engine: Engine, store: Store, asked: FeatureStudy, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> str:
    """The same in the foreground. Raises InputError, AssetError, Cancelled."""
    studies = Studies(store)
    studies.check_new(asked.name)
    labels = labels_of(engine, NeuronpediaLabels(lambda: store, engine.spec.neuronpedia))
    if not len(labels):
        raise InputError(
            f"“{engine.spec.name}” has no feature labels, so there is nothing to show to people. Make labels first "
            "(hydrascope labels)."
        )
    source = provenance(engine)
    facts = {
        "model": f"{source.model} ({source.revision})" if source.revision else source.model,
        "number format": f"{source.dtype} on {source.device}",
        "SAEs": source.saes,
        "versions": source.versions,
    }
    return studies.create(make_study(engine, labels, asked, facts, progress, cancelled))


def source_of_run(runs: Runs, run: str, model: str) -> FeatureSource:
    """The features of a run's minimal sets. Raises InputError where it has none yet, or is of another model."""
    about = runs.get(run)
    if about.model != model:
        raise InputError(f"Run {run} is of “{about.model}” and not of “{model}”. Choose a run of that model.")
    found = minimal_sets(runs.ledger(run))
    names = sorted({name for names in found["features"] for name in names})
    if not names:
        raise InputError(f"Run {run} has no minimal sets yet. Stage 2 of the search finds them.")
    origin = f"the minimal sets of run {run}, “{about.name}”"
    return FeatureSource(tuple(sorted(features(names))), origin, saes=about.sae_digests)
