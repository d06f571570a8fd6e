"""Everything that is said of a set of features, put together: categories, roles, label scores, groups, both routes.

Knows: which part answers. Does not know: where features, prompts and labels come from, or how any of it is shown.
A label is scored, and its words are compared, on those prompts alone that it was not made from (`unseen`); categories,
roles and effects do not read labels, so they are of all prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.engine import Engine
from core.errors import InputError
from core.judges.agreement import Agreement
from core.labels.notes import Labels
from core.labels.token_text import TokenTexts
from core.labels.wording import word
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.categories import Labelled
from core.semantics.categories import CategoryTests, categorise
from core.semantics.firing import Firing, read_firing
from core.semantics.groups import group_labels
from core.semantics.label_score import LabelScore, score_labels
from core.semantics.one_sentence import Written, write_sentences
from core.semantics.roles import Evidence, Role, read_effects, read_evidence, role_of
from core.semantics.text_route import Part, agreement_of_routes
from core.semantics.unseen import Unseen, scored_on, unseen_prompts
from core.statistics import Estimate

#: Names of the groups that stand beside the one that is asked about.
RANDOM, ALL = "random active", "all that fire"
#: Labels of other features that a label is shuffled with, beside those of its own set.
SHUFFLED_WITH = 400
#: Which shuffling of categories and random draw of features; another seed gives others of the same kind.
SEED = 0


@dataclass(frozen=True, eq=False)
class About:
    """tests: of every feature that fires and of those asked about, and `shuffled` of the same with categories dealt out
    by chance. firing: of the prompts' texts, then of their contrast prompts.

    groups: name → features, the one asked about first, then `RANDOM`; `ALL` is every feature that fires. labels: of the
    features of both groups, empty where there is none. evidence, scores, by_label, suppressed: of the same features;
    scores hold those alone that can be scored. suppressed: tokens that a decoder row lowers most, readable. written:
    one-sentence labels by a chat model, where they were asked for. scored_on: which prompts labels were scored on, or
    why they were not, in sentences.
    """

    prompts: Labelled
    groups: Mapping[str, tuple[Feature, ...]]
    tests: CategoryTests
    shuffled: CategoryTests
    firing: Firing
    labels: Mapping[Feature, str]
    evidence: Mapping[Feature, Evidence]
    scores: Mapping[Feature, LabelScore]
    by_label: Mapping[Feature, str]
    routes: Agreement
    suppressed: Mapping[Feature, tuple[str, ...]]
    scored_on: str
    written: Written | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """Those of both groups, each once."""
        return tuple(self.evidence)

    @cached_property
    def place(self) -> Mapping[Feature, int]:
        """Where a feature stands in `tests`."""
        return {feature: number for number, feature in enumerate(self.tests.features)}

    @property
    def silent(self) -> tuple[Feature, ...]:
        """Those asked about that fire at no token of any prompt, so that nothing is tested or counted of them."""
        return tuple(feature for feature in self.features if not self.tests.active[self.place[feature]])

    def role(self, feature: Feature) -> Role:
        return role_of(self.evidence[feature])


class Measured(NamedTuple):
    """What takes long to find of a set of features, from which everything else follows in seconds.

    firing: of the prompts' texts, then of their contrast prompts. drawn: the random active features beside the set.
    effects: of the set, then of those; None where not measured. sentences: by `writer`, empty where none was asked.
    """

    firing: Firing
    drawn: tuple[Feature, ...]
    effects: tuple[Estimate | None, ...]
    writer: str = ""
    sentences: Mapping[Feature, str] = MappingProxyType({})


def read_about(
    engine: Engine,
    prompts: Labelled,
    name: str,
    features: Sequence[Feature],
    known: Labels,
    firing: Firing | None = None,
    writer: Engine | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> About | None:
    """Everything about one set of features, beside as many random active ones of the same layers.

    name: what the set is called. known: labels and contexts of the features. firing: of the prompts' texts and
    contrast, where it was read before. writer: writes one-sentence labels too. None where it was cancelled. Raises
    InputError for no features, and for those the model does not have.
    """
    found = measure_about(engine, prompts, features, known, firing, writer, progress, cancelled)
    return None if found is None else about_of(engine, prompts, name, features, known, found)


def measure_about(
    engine: Engine,
    prompts: Labelled,
    features: Sequence[Feature],
    known: Labels,
    firing: Firing | None = None,
    writer: Engine | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Measured | None:
    """The model's part of `read_about`. Raises as it does."""
    wanted = _each_once(features)
    if firing is None:
        firing = read_firing(engine, _texts(prompts), None, part(progress, 0, 0.5), cancelled)
    if firing is None:
        return None
    firing.columns(wanted)  # before anything that takes long
    drawn = random_like(firing.features, wanted, SEED)
    chosen, rest = [*wanted, *drawn], part(progress, 0.55, 0.25 if writer else 0.45)
    effects = read_effects(engine, firing, prompts.texts, chosen, rest, cancelled)
    if effects is None:
        return None
    if writer is None:
        return Measured(firing, drawn, tuple(effects))
    sentences = write_sentences(writer, chosen, known.note, part(progress, 0.8, 0.2), cancelled)
    return None if sentences is None else Measured(firing, drawn, tuple(effects), writer.spec.name, sentences)


def about_of(
    engine: Engine, prompts: Labelled, name: str, features: Sequence[Feature], known: Labels, measured: Measured
) -> About:
    """What follows from it: categories, roles, scores, groups. Runs no prompt."""
    wanted, firing, drawn = _each_once(features), measured.firing, measured.drawn
    texts, fires, chosen = _texts(prompts), firing.features, [*wanted, *drawn]
    every = tuple(sorted({*fires, *wanted}))
    tests = categorise(firing, prompts, every)
    mixed = prompts.shuffled(SEED)
    place = {text: number for number, text in enumerate(texts)}
    order = [place[text] for text in (*mixed.texts, *mixed.contrast)]
    shuffled = categorise(firing.rows(order), mixed, every)
    layers, indices = np.array(chosen, dtype=np.int64).T
    cosines = engine.reader.cosines(layers, indices)
    where = {feature: number for number, feature in enumerate(every)}
    answers = [int(tests.answers[where[feature]].sum()) for feature in chosen]
    evidence = read_evidence(firing, len(prompts.texts), chosen, answers, cosines, measured.effects)
    labels = {feature: known.label(feature) for feature in chosen}
    generator = np.random.default_rng(SEED)
    some = generator.permutation(len(fires))[:SHUFFLED_WITH].tolist()
    others = [known.label(fires[i]) for i in some if fires[i] not in labels]
    unseen = unseen_prompts(chosen, known, prompts)
    rows = [(group.features, group.rows) for group in unseen]
    written = None
    if measured.writer:
        scores = score_labels(measured.sentences, firing, texts, rows=rows)
        written = Written(measured.writer, measured.sentences, scores)
    return About(
        prompts,
        {f"the list “{name}”" if name in (RANDOM, ALL) else name: wanted, RANDOM: drawn},
        tests,
        shuffled,
        firing,
        labels,
        {one.feature: one for one in evidence},
        score_labels(labels, firing, texts, others, rows),
        group_labels(labels),
        agreement_of_routes(_parts(unseen, labels, tests, firing, prompts)),
        _suppressed(engine, chosen),
        scored_on(unseen, known, prompts),
        written,
    )


def _parts(
    unseen: Sequence[Unseen], labels: Mapping[Feature, str], tests: CategoryTests, firing: Firing, prompts: Labelled
) -> list[Part]:
    """What the two routes to a category are compared on. tests, firing: of all prompts, whose tests are not made again.

    Categories are tested again on what is left, over all features, because their q-values are corrected over all.
    """
    place = {text: number for number, text in enumerate(_texts(prompts))}
    parts = []
    for group in unseen:
        if (left := group.prompts) is not None:
            mine = {feature: labels[feature] for feature in group.features}
            whole = left is prompts
            order = [place[text] for text in _texts(left)]
            parts.append(Part(tests if whole else categorise(firing.rows(order), left, tests.features), mine, left))
    return parts


def _each_once(features: Sequence[Feature]) -> tuple[Feature, ...]:
    if not features:
        raise InputError("No features were given. Name some, or choose a run that found minimal sets.")
    return tuple(dict.fromkeys(features))


def _texts(prompts: Labelled) -> list[str]:
    """In the order of `Measured.firing`."""
    return [*prompts.texts, *prompts.contrast]


def random_like(fires: Sequence[Feature], like: Collection[Feature], seed: int) -> tuple[Feature, ...]:
    """As many features that fire as `like` has in each layer, none of `like`; fewer where a layer has no more."""
    generator, drawn = np.random.default_rng(seed), list[Feature]()
    barred = set(like)
    for layer in sorted({feature.layer for feature in like}):
        pool = [feature for feature in fires if feature.layer == layer and feature not in barred]
        number = min(len(pool), sum(feature.layer == layer for feature in like))
        drawn += [pool[int(i)] for i in np.sort(generator.permutation(len(pool))[:number])]
    return tuple(drawn)


def _suppressed(engine: Engine, features: Sequence[Feature]) -> dict[Feature, tuple[str, ...]]:
    """The tokens each feature writes against, as a person can read them."""
    found: dict[Feature, tuple[str, ...]] = {}
    texts = TokenTexts(engine.tokenizer)
    for layer in sorted({feature.layer for feature in features}):
        here = [feature for feature in features if feature.layer == layer]
        rows = engine.reader.suppressed(layer, np.array([feature.index for feature in here], dtype=np.int64))
        for feature, ids in zip(here, rows, strict=True):
            found[feature] = tuple(word(texts.alone(i)) for i in ids)
    return found
