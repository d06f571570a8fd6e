"""What a study is and what an annotator is shown on each item, as values, and as JSON for the store and for files.

Knows: fields. Does not know: how items are chosen (`core.study.making`), stores, pages. A feature is shown by its label
and its strongest samples, as they were when the study was made, so that every annotator sees the same; its name, group
and truth are kept beside that and not shown.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

from core.errors import InputError
from core.labels.contexts import Context, contexts_from_json, contexts_to_json
from core.study.agreement import Ratings
from core.study.answers import VERDICT_QUESTION, Choice, Question
from core.study.pool import Part
from core.text.json_text import json_text, json_value

Kind = Literal["features", "answers"]
KINDS: tuple[Kind, ...] = ("features", "answers")
#: Strongest samples of a feature that are shown, as in the paper's Figure 7.
SAMPLES = 5


@dataclass(frozen=True)
class StudyItem:
    """part: the training comes first. group: how it came into the study; of an answer, which list it is from.

    truth: what should be chosen, as far as that is known; empty where it is not. feature, label, promoted, samples: of
    a study of features, `layer-index`, where it fires in words, the tokens it promotes, and its strongest samples.
    prompt, answer: of a study of answers.
    """

    part: Part
    group: str
    truth: Choice = frozenset()
    feature: str = ""
    label: str = ""
    promoted: str = ""
    samples: tuple[Context, ...] = ()
    prompt: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Study:
    """name: what people call it. kind: what its items are. labels: what may be chosen, the label of key 1 first.

    model: the registry's name of the model, empty for answers of a file. facts: where items and truths are from, for
    the reader of the results: title → text. notes: what could not be had as wanted, a sentence each.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    items: tuple[StudyItem, ...]
    model: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise InputError("A study needs a name. Give it one.")
        if not any(item.part == "main" for item in self.items):
            raise InputError("A study needs at least one item after the training. Choose more features or answers.")
        for item in self.items:
            if item.truth:
                self.question.checked(item.truth)

    @property
    def question(self) -> Question:
        """What is asked on every item."""
        return VERDICT_QUESTION if self.kind == "answers" else Question(self.labels, several=True)

    @property
    def main(self) -> list[int]:
        """The numbers of the items that count."""
        return [number for number, item in enumerate(self.items) if item.part == "main"]

    @property
    def noun(self) -> str:
        """What an item is called: “feature” or “answer”."""
        return self.kind.removesuffix("s")


class Annotation(NamedTuple):
    """What one annotator has chosen on one item. done: whether they went on from there, so that it counts."""

    choice: Choice
    done: bool


#: annotator → item's number → what they chose last.
Annotations = Mapping[str, Mapping[int, Annotation]]


def ratings(study: Study, annotations: Annotations) -> Ratings:
    """annotator → choice for every main item, in order; what is not done does not count."""
    return [
        {
            who: found.choice
            for who, mine in annotations.items()
            if (found := mine.get(number)) is not None and found.done
        }
        for number in study.main
    ]


def items_to_json(items: Sequence[StudyItem]) -> list[str]:
    """One line an item."""
    return [
        json_text(
            asdict(item) | {"truth": sorted(item.truth), "samples": contexts_to_json(item.samples)}, ascii_only=False
        )
        for item in items
    ]


def item_from_json(text: str) -> StudyItem:
    """The other way round."""
    row: dict[str, Any] = json_value(text)
    return StudyItem(**row | {"truth": frozenset(row["truth"]), "samples": contexts_from_json(row["samples"])})
