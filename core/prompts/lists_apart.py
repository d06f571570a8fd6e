"""Prompts that stand in a list of harmful and in one of benign ones, left out of both.

Knows: texts. Does not know: files, models. Such a prompt has two labels, and nothing says which is right: kept in both
it would count on both sides of every comparison, and kept in one the program would have chosen its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from core.errors import InputError
from core.prompts.checks import same_text_key
from core.text.figures import counted


class Apart(NamedTuple):
    """The two lists without the prompts of both, in order. said: a sentence that counts them; empty without any."""

    harmful: tuple[str, ...]
    benign: tuple[str, ...]
    said: str


def lists_apart(harmful: Sequence[str], benign: Sequence[str]) -> Apart:
    """Texts count as the same as they do within a list (`same_text_key`). Raises InputError where all harmful prompts
    are benign ones too."""
    keys = [{same_text_key(text): text for text in texts} for texts in (harmful, benign)]
    both = keys[0].keys() & keys[1].keys()
    if not both:
        return Apart(tuple(harmful), tuple(benign), "")
    if len(both) == len(keys[0]):
        raise InputError("Every harmful prompt stands in the benign list too. Give two lists that have none in common.")
    first = next(text for key, text in keys[0].items() if key in both)
    stand, were = ("stands", "was") if len(both) == 1 else ("stand", "were")
    said = (
        f"{counted(len(both), 'prompt')} {stand} in the harmful and in the benign list, and {were} left out of both. "
        f"The first: “{first:.60}”."
    )
    kept = [tuple(text for text in texts if same_text_key(text) not in both) for texts in (harmful, benign)]
    return Apart(kept[0], kept[1], said)
