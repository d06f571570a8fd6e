"""The items of a study: features with what is known of them, or answers, with a training round in front.

Knows: pools, labels, answers. Does not know: stores, pages, where truths come from: categories are handed in as a plain
mapping, feature → categories it fires on (`core.study.firing` gives the paper's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from core.answers.verdicts import VERDICTS
from core.edits.edits import Feature
from core.errors import InputError
from core.labels.notes import Labels
from core.labels.wording import SILENT
from core.study.items import SAMPLES, StudyItem
from core.study.pool import Part, Pool

#: Answers of a study, unless another number is asked for, and answers with known verdicts to begin with.
ANSWERS, TRAINING = 70, 5


def usable(labels: Labels) -> Callable[[Feature], bool]:
    """Whether a feature can be shown: it has a label, and fired somewhere in what the label was made from."""

    def known(feature: Feature) -> bool:
        label = labels.label(feature)
        return bool(label) and not label.startswith(SILENT)

    return known


def feature_items(pool: Pool, labels: Labels) -> tuple[StudyItem, ...]:
    """The pool's features with their labels and strongest samples, as they are known now."""
    found = []
    for one in pool.items:
        note = labels.note(one.feature)
        found.append(
            StudyItem(
                part=one.part,
                group=one.group,
                truth=one.truth,
                feature=str(one.feature),
                label=labels.label(one.feature).partition(" → ")[0].strip(),
                promoted=note.promoted if note else "",
                samples=note.contexts[:SAMPLES] if note else (),
            )
        )
    return tuple(found)


def answer_items(
    pairs: Sequence[tuple[str, str]],
    known: Sequence[str],
    group: str,
    count: int = ANSWERS,
    seed: int = 0,
    training: Sequence[StudyItem] = (),
) -> tuple[StudyItem, ...]:
    """`count` of these answers at random, or all where there are fewer; a pair that stands there twice is asked once.

    pairs: prompt and answer. known: the verdict of each, empty where it is not known. Raises InputError where there is
    no answer.
    """
    unique = dict(zip(map(tuple, pairs), known, strict=True))
    if not unique:
        raise InputError("There are no answers to label. Choose a file or a run with answers.")
    rows = list(unique.items())
    order = np.random.default_rng(seed).permutation(len(rows))[: max(1, count)]
    main = [answer_item("main", group, *rows[i]) for i in order]
    asked = {(item.prompt, item.answer) for item in main}
    return (*(item for item in training if (item.prompt, item.answer) not in asked), *main)


def answer_item(part: Part, group: str, pair: Sequence[str], known: str = "") -> StudyItem:
    """One answer. known: its verdict, empty where it is not known. Raises InputError for a verdict that is none."""
    if known and known not in VERDICTS:
        raise InputError(f"“{known:.40}” is not a verdict. Use one of {', '.join(VERDICTS)}, or leave it empty.")
    prompt, answer = pair
    return StudyItem(part, group, frozenset({known} if known else ()), prompt=prompt, answer=answer)


def training_answers(
    pairs: Sequence[tuple[str, str]], known: Sequence[str], group: str, count: int = TRAINING, seed: int = 0
) -> tuple[StudyItem, ...]:
    """Answers with known verdicts to begin with, of different verdicts as long as there are any."""
    order = np.random.default_rng(seed).permutation(len(pairs))
    by_verdict = {verdict: [i for i in order if known[i] == verdict] for verdict in VERDICTS}
    found: list[int] = []
    while len(found) < count and any(by_verdict.values()):
        found += [rest.pop(0) for rest in by_verdict.values() if rest]
    return tuple(answer_item("training", group, pairs[i], known[i]) for i in found[:count])
