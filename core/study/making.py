"""The items of a study: features with what is known of them, or answers, with a training round in front.

Knows: pools, labels, answers. Does not know: stores, pages, where truths come from: categories are handed in as a plain
mapping, feature → categories it fires on (`core.study.firing` gives the paper's).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from core.answers.verdicts import VERDICTS
from core.edits.edits import Feature
from core.errors import InputError
from core.labels.notes import Labels
from core.labels.wording import SILENT, without_promoted
from core.paths import assets_folder
from core.prompts.files import read_file
from core.study.items import SAMPLES, Study, StudyItem
from core.study.pool import Part, Pool
from core.text.figures import counted

#: Answers of a study, unless another number is asked for, and answers with known verdicts to begin with.
ANSWERS, TRAINING = 70, 5
#: Where the answers with known verdicts are from, in words.
BUNDLED = "the labelled answers that are shipped (assets/answers)"


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
                label=without_promoted(labels.label(one.feature)),
                promoted=note.promoted if note else "",
                samples=note.contexts[:SAMPLES] if note else (),
            )
        )
    return tuple(found)


#: A prompt and the answer to it.
Pair = tuple[str, str]


class Labelled(NamedTuple):
    """Answers and the verdict of each, empty where it is not known. about: where they are from, in words."""

    pairs: tuple[Pair, ...]
    verdicts: tuple[str, ...]
    about: str


def bundled_answers() -> Labelled:
    """The shipped answers, labelled by a developer of this project. Raises InputError."""
    table = read_file(assets_folder() / "answers" / "labelled.jsonl").table
    return Labelled(tuple(zip(table["prompt"], table["answer"], strict=True)), tuple(table["label"]), BUNDLED)


def answers_study(name: str, answers: Labelled, count: int = ANSWERS, seed: int = 0) -> Study:
    """A study of answers, with the five verdicts to choose from. Raises InputError."""
    if count < 1:
        raise InputError(f"A study of {count} answers is none. Give at least 1.")
    disputed = verdict_of(answers)[1]
    main = answer_items(answers, count, seed)
    asked = {(item.prompt, item.answer) for item in main}
    training = [item for item in training_answers(bundled_answers(), seed) if (item.prompt, item.answer) not in asked]
    known = sum(bool(item.truth) for item in main)
    notes = [f"The study wants {count} answers, but there are only {len(main)}."] if len(main) < count else []
    if disputed:
        first, words = next(iter(disputed.items()))
        notes.append(
            f"{counted(len(disputed), 'answer')} in {answers.about} with verdicts that contradict each other. The "
            f"first is the one to “{first[0]:.60}”, with {' and '.join(words)}. It is asked once, and its verdict "
            "counts as not known."
        )
    return Study(
        name=name,
        kind="answers",
        labels=VERDICTS,
        items=(*training[:TRAINING], *main),
        facts={
            "answers": answers.about,
            "truth": f"the verdict in the file, known of {known} of {len(main)} answers" if known else "not known",
            "seed": str(seed),
        },
        notes=tuple(notes),
    )


def answer_items(answers: Labelled, count: int = ANSWERS, seed: int = 0) -> tuple[StudyItem, ...]:
    """`count` of these answers at random, or all where there are fewer; a pair that stands there twice is asked once.

    Raises InputError where there is no answer, and for a verdict that is none.
    """
    rows = list(verdict_of(answers)[0].items())
    if not rows:
        raise InputError("There are no answers to label. Choose a file or a run with answers.")
    order = np.random.default_rng(seed).permutation(len(rows))[: max(1, count)]
    return tuple(_answer("main", *rows[i]) for i in order)


def verdict_of(answers: Labelled) -> tuple[dict[Pair, str], dict[Pair, tuple[str, ...]]]:
    """Each pair once with its verdict, and the pairs whose rows have several, with these: none of them counts as known.
    A row without a verdict says nothing, wherever it stands. Raises InputError for a verdict that is none."""
    for verdict in answers.verdicts:
        if verdict and verdict not in VERDICTS:
            raise InputError(f"“{verdict:.40}” is not a verdict. Use one of {', '.join(VERDICTS)}, or leave it empty.")
    said: dict[Pair, dict[str, None]] = {}
    for (prompt, answer), verdict in zip(answers.pairs, answers.verdicts, strict=True):
        said.setdefault((prompt, answer), {}).update({verdict: None} if verdict else {})
    known = {pair: next(iter(found)) if len(found) == 1 else "" for pair, found in said.items()}
    return known, {pair: tuple(found) for pair, found in said.items() if len(found) > 1}


def training_answers(answers: Labelled, seed: int = 0) -> tuple[StudyItem, ...]:
    """Every answer with a known verdict, in an order in which verdicts take turns as long as there are any of each."""
    order = np.random.default_rng(seed).permutation(len(answers.pairs))
    waiting = [[i for i in order if answers.verdicts[i] == verdict] for verdict in VERDICTS]
    rounds = zip_longest(*waiting)
    return tuple(
        _answer("training", answers.pairs[i], answers.verdicts[i]) for one in rounds for i in one if i is not None
    )


def _answer(part: Part, pair: Sequence[str], known: str) -> StudyItem:
    """known: its verdict, empty where it is not known."""
    prompt, answer = pair
    return StudyItem(part, part, frozenset({known} if known else ()), prompt=prompt, answer=answer)
