"""A study of a model's features, ready to be stored: which features, what they fire on, what is shown of them.

Knows: an engine, its labels, the bundled prompts. Does not know: runs, stores, pages.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from core.edits.edits import Edits, Feature
from core.edits.feature_sets import top_per_layer
from core.engine import Engine
from core.errors import Cancelled, InputError
from core.labels.notes import Labels
from core.progress import NEVER, QUIET, Progress
from core.prompts.shipped import prompts_file, read_shipped
from core.study.answers import Question
from core.study.firing import LEAST, bundled_prompts, measure
from core.study.items import Study
from core.study.making import feature_items, usable
from core.study.pool import draw_pool
from core.study.sizes import PoolSizes

#: Features of each layer that stand for the search where no run is named, nearest the refusal direction first.
NEAREST = 20


@dataclass(frozen=True)
class FeatureSource:
    """Which features a study is about. features: None takes those nearest the refusal direction in each layer, as Stage
    1 of the search does. about: where they are from, in words. whole: show all of them, instead of some for each
    number of categories. saes: digests of the SAEs they were found in, as `core.models.digest.Digests` writes them;
    empty where that is not known."""

    features: tuple[Feature, ...] | None = None
    about: str = f"the {NEAREST} features of each layer nearest the refusal direction, as in Stage 1 of the search"
    whole: bool = False
    saes: str = ""


@dataclass(frozen=True)
class FeatureStudy:
    """What a study of features is asked for with. least: the share of a category's prompts a feature must fire on to
    have the category; 0 takes one prompt, as the paper does."""

    name: str
    source: FeatureSource = FeatureSource()
    sizes: PoolSizes = field(default_factory=PoolSizes)
    seed: int = 0
    least: float = LEAST


def make_study(
    engine: Engine,
    labels: Labels,
    asked: FeatureStudy,
    facts: Mapping[str, str],
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Study:
    """Measure on which categories features fire, and draw the pool. facts: where the model's numbers are from.

    Raises InputError, and Cancelled.
    """
    pipeline = _pipeline(engine, asked.source)
    prompts = bundled_prompts(read_shipped(prompts_file()))
    found = measure(engine, prompts, progress, cancelled)
    if found is None:
        raise Cancelled("Making the study was stopped. Nothing was kept.")
    known = usable(labels)
    categories = found.categories(known, asked.least)
    question = Question(found.labels, several=True)
    numbers = range(1, len(question.labels) + 1)
    pool = draw_pool(pipeline, categories, asked.sizes, asked.seed, tuple(numbers), asked.source.whole)
    ask = f"at least {asked.least:.0%} of" if asked.least else "one of"
    return Study(
        name=asked.name,
        kind="features",
        labels=question.labels,
        items=feature_items(pool, labels),
        model=engine.spec.name,
        facts={
            "features": f"{asked.source.about} ({len(pipeline):,})",
            "truth": f"a feature has a category if it fires on a token of {ask} the category's {found.prompts} prompts",
            "prompts": "held-out harmful prompts of the bundled list, as many of each category",
            "seed": str(asked.seed),
            **facts,
        },
        notes=pool.notes,
    )


def _pipeline(engine: Engine, source: FeatureSource) -> Collection[Feature]:
    if source.features is None:
        return top_per_layer(engine.alignment(), NEAREST, skip_layers=0)
    if source.saes not in ("", engine.runtime.digests.sae_text):
        raise InputError(
            f"The features are {source.about}, which had other SAEs than “{engine.spec.name}” has now: the files were "
            "replaced. Put the earlier files back, or choose another run."
        )
    engine.check(Edits.ablate(source.features))
    return source.features
