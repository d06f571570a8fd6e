"""A conversation as a plain value: turns of user and assistant that end with what the user asks now.

Knows: roles and their order. Does not know: chat templates or tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from core.errors import InputError


class Turn(NamedTuple):
    """What one side said."""

    role: str  # "user" or "assistant"
    text: str


@dataclass(frozen=True)
class Conversation:
    """Turns in order, user and assistant by turns, from a user's to a user's. Raises InputError for anything else."""

    turns: tuple[Turn, ...]

    def __post_init__(self) -> None:
        try:
            turns = tuple(Turn(*turn) for turn in self.turns)
        except TypeError:
            raise InputError(
                "A conversation must be a list of pairs of a role and a text, for example (“user”, “Hello”)."
            ) from None
        expected = tuple(("user", "assistant")[number % 2] for number in range(len(turns)))
        if tuple(turn.role for turn in turns) != expected or len(turns) % 2 == 0:
            raise InputError(
                "A conversation must alternate between user and assistant, starting and ending with the user. "
                "Reorder its turns."
            )
        object.__setattr__(self, "turns", turns)

    @property
    def history(self) -> tuple[Turn, ...]:
        """Everything before what is asked now."""
        return self.turns[:-1]

    @property
    def text(self) -> str:
        """What the user asks now."""
        return self.turns[-1].text


#: What a model can be asked: one request, or the last of a conversation.
PromptLike = str | Conversation
