"""Prompts and answers as the store tells them apart.

Knows: texts, how an answer ended. Does not know: judges, tables.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from core.answers.answer import Answer
from core.answers.judge import ended_of


class Pair(NamedTuple):
    """A prompt and the answer to it, an `Answer` where it is known how it ended."""

    prompt: str
    answer: str

    @property
    def key(self) -> tuple[str, str]:
        """The hashes it is found by. Verdicts by rules depend on how an answer ended, so that is part of it."""
        (ended,) = ended_of([self.answer])
        return digest(self.prompt), digest(self.answer, "" if ended is None else "ended" if ended else "cut off")

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Its own, and those of the same text that ended or was cut off where nobody knows that."""
        each = [self.answer] + [Answer(self.answer, ended) for ended in (True, False)]
        return [Pair(self.prompt, one).key for one in (each if ended_of([self.answer]) == [None] else each[:1])]


def digest(text: str, more: str = "") -> str:
    """sha256 of a text, hexadecimal; with `more` behind it, of no text at all."""
    found = hashlib.sha256(text.encode("utf-8", "surrogatepass"))
    if more:
        found.update(b"\xff" + more.encode())  # a byte that UTF-8 does not have
    return found.hexdigest()
