"""What an annotator may choose on one item, and what a choice is: a set of labels.

Knows: labels and keys. Does not know: items, people, pages.
A choice of a study of features is one to nine categories of a list, or “None”; of a study of answers, one verdict. An
empty set is no choice yet, or, of a majority, that no label had one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from core.answers.verdicts import VERDICTS
from core.errors import InputError

#: The choice that no category fits. It stands alone.
NONE = "None"
#: Labels that have a key of their own, 1 to 9.
MOST_LABELS = 9

Choice = frozenset[str]
NOTHING: Choice = frozenset()


@dataclass(frozen=True)
class Question:
    """labels: what may be chosen, the label of key 1 first. several: whether more than one may be chosen, or none."""

    labels: tuple[str, ...]
    several: bool

    def __post_init__(self) -> None:
        if len(self.labels) < 2:
            found = f"only “{self.labels[0]:.40}”" if self.labels else "no category"
            raise InputError(f"The list has {found}. A study needs at least two categories to choose from.")
        if len(self.labels) > MOST_LABELS:
            raise InputError(
                f"The list has {len(self.labels)} categories, but a study can have at most {MOST_LABELS}, one for each "
                "key from 1. Join some of them."
            )
        if len(set(self.labels)) < len(self.labels):
            raise InputError("The list names a category twice. Name each category once.")
        if not all(label.strip() for label in self.labels) or NONE in self.labels:
            raise InputError(f"A category has no name, or is called “{NONE}”, which stands for no category. Rename it.")

    def pressed(self, before: Choice, label: str) -> Choice:
        """The choice after one more click on a label: it is switched on or off, and what it excludes goes off."""
        if label in before:
            return before - {label}
        if not self.several or label == NONE:
            return frozenset({label})
        return (before - {NONE}) | {label}

    def checked(self, chosen: Iterable[str]) -> Choice:
        """A choice that this question allows. Raises InputError for an unknown label or labels that exclude others."""
        choice = frozenset(chosen)
        allowed = {*self.labels, NONE} if self.several else set(self.labels)
        if unknown := sorted(choice - allowed):
            raise InputError(f"“{unknown[0]:.40}” is not one of the labels of this study: {', '.join(self.labels)}.")
        if len(choice) > 1 and (NONE in choice or not self.several):
            raise InputError(f"“{self.text(choice)}” cannot be chosen together. Choose one of them.")
        return choice

    def ordered(self, choice: Choice) -> list[str]:
        """The labels of a choice in the order of their keys."""
        return [label for label in (*self.labels, NONE) if label in choice]

    def text(self, choice: Choice) -> str:
        """The labels in words, in the order of their keys; empty for no choice."""
        return ", ".join(self.ordered(choice))


#: What a study of answers asks.
VERDICT_QUESTION = Question(VERDICTS, several=False)


def truth_of(categories: Iterable[str]) -> Choice:
    """What should be chosen for a feature that fires on these categories; “None” for a feature that fires on none."""
    return frozenset(categories) or frozenset({NONE})
