"""The features of a study: some that the search found, by number of categories, some random ones, shuffled and blind.

Knows: the paper's pool (appendix, “Human Study”): features of the pipeline that fire on one to five categories, random
features that fire on some, and random features that fire on none. Does not know: how anybody found out on which
categories a feature fires, or what annotators are shown. The paper draws ten for each number and keeps 40 of 50; with
8 for each number, 23 and 7, the pool has its 70 features.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.errors import InputError
from core.study.answers import Choice, truth_of
from core.study.sizes import PAPER_SIZES, PoolSizes

Group = Literal["pipeline", "random active", "random silent", "given"]
Part = Literal["training", "main"]
#: The paper's numbers of categories.
NUMBERS = (1, 2, 3, 4, 5)


class PoolItem(NamedTuple):
    """One feature to be shown. truth: the categories it fires on, or “None”. Annotators see neither group nor truth."""

    feature: Feature
    part: Part
    group: Group
    truth: Choice


class Pool(NamedTuple):
    """The training first, then the rest, shuffled. notes: what could not be had as wanted, a sentence each."""

    items: tuple[PoolItem, ...]
    notes: tuple[str, ...]


def draw_pool(
    pipeline: Collection[Feature],
    categories: Mapping[Feature, Collection[str]],
    sizes: PoolSizes = PAPER_SIZES,
    seed: int = 0,
    numbers: Sequence[int] = NUMBERS,
    whole: bool = False,
) -> Pool:
    """Draw a pool. The same arguments give the same pool.

    pipeline: what the search found, or what somebody chose; whole: show all of it, whatever the numbers. categories:
    feature → the categories it fires on, of every feature that may be drawn; a feature of the pipeline that is not in
    it is left out. Where a number of categories has too few features of the pipeline, features with other numbers stand
    in; a group that has too few is taken whole; notes say so. Raises InputError where nothing can be drawn.
    """
    generator, notes = np.random.default_rng(seed), list[str]()
    found = [feature for feature in sorted(set(pipeline)) if feature in categories]
    others = sorted(set(categories) - set(pipeline))
    active = [feature for feature in others if categories[feature]]
    silent = [feature for feature in others if not categories[feature]]
    if left := len(set(pipeline)) - len(found):
        notes.append(
            f"{left} of {len(set(pipeline))} features were left out: each has no label with examples, or fires on too "
            "few prompts of every category to count as firing and on too many to count as silent."
        )
    of_search = found if whole else _by_number(found, categories, sizes.each, numbers, generator, notes)
    chosen: list[tuple[Feature, Group]] = [(feature, "given" if whole else "pipeline") for feature in of_search]
    wanted: list[tuple[Group, list[Feature], int]] = [
        ("random active", active, sizes.active),
        ("random silent", silent, sizes.silent),
    ]
    for group, candidates, count in wanted:
        drawn = _draw(candidates, count, generator)
        if len(drawn) < count:
            notes.append(f"The pool wants {count} {group} features, but there are only {len(drawn)}.")
        chosen += [(feature, group) for feature in drawn]
    if not chosen:
        raise InputError(
            "No feature can be drawn for this study: each has no label with examples, or fires on too few prompts of "
            "every category. Choose other features, ask for a smaller share, or make labels for this model first."
        )
    used = {feature for feature, _ in chosen}
    rest = [f for f in active if f not in used]
    training = _training(rest, [f for f in silent if f not in used], categories, sizes, generator)
    if len(training) < sizes.training:
        notes.append(f"The training wants {sizes.training} features, but there are only {len(training)}.")
    order = generator.permutation(len(chosen))
    items = [PoolItem(f, "training", _group(f, categories), truth_of(categories[f])) for f in training]
    items += [PoolItem(chosen[i][0], "main", chosen[i][1], truth_of(categories[chosen[i][0]])) for i in order]
    return Pool(tuple(items), tuple(notes))


def _by_number(
    found: Sequence[Feature],
    categories: Mapping[Feature, Collection[str]],
    each: int,
    numbers: Sequence[int],
    generator: np.random.Generator,
    notes: list[str],
) -> list[Feature]:
    """`each` features of the pipeline for every number of categories, others where a number has too few."""
    drawn: list[Feature] = []
    short: list[str] = []
    for number in numbers:
        part = _draw([f for f in found if len(set(categories[f])) == number], each, generator)
        if len(part) < each:
            short.append(f"{len(part)} with {number}")
        drawn += part
    missing = each * len(numbers) - len(drawn)
    used = set(drawn)
    stand_in = _draw([f for f in found if categories[f] and f not in used], missing, generator)
    if short:
        rest = missing - len(stand_in)
        instead = f"{len(stand_in)} with other numbers stand in" if stand_in else "no others stand in"
        fewer = f", and {rest} fewer are shown" if rest else ""
        notes.append(
            f"The pool wants {each} features of the search for each number of categories, but there are only "
            f"{', '.join(short)}; {instead}{fewer}."
        )
    return drawn + stand_in


def _training(
    active: Sequence[Feature],
    silent: Sequence[Feature],
    categories: Mapping[Feature, Collection[str]],
    sizes: PoolSizes,
    generator: np.random.Generator,
) -> list[Feature]:
    """Known answers to begin with: one feature that fires on nothing where there is one, the others on as few
    categories as there are: from one that fires on all of them nobody learns what a category is.
    """
    quiet = _draw(silent, min(1, sizes.training), generator)
    loud = sorted(_draw(active, len(active), generator), key=lambda feature: len(set(categories[feature])))
    return [*loud[: sizes.training - len(quiet)], *quiet]


def _draw(candidates: Sequence[Feature], count: int, generator: np.random.Generator) -> list[Feature]:
    """So many at random, or all there are."""
    order = generator.permutation(len(candidates))[:count]
    return [candidates[i] for i in order]


def _group(feature: Feature, categories: Mapping[Feature, Collection[str]]) -> Group:
    return "random active" if categories[feature] else "random silent"
