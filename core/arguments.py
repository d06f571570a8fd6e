"""Arguments of the engine's calls that can be given wrong, whatever the call: lists, lengths.

Knows: types. Does not know: prompts, edits, models.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from core.errors import InputError


def listed(values: Any, name: str) -> list[Any]:
    """A list of whatever is iterable but not itself a text. Raises InputError."""
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InputError(f"{name} must be a list, not {type(values).__name__}.")
    return list(values)


def check_last(last: int | None) -> None:
    """Raises InputError for anything but None or a whole number of at least 1."""
    if last is not None and (not isinstance(last, int) or last < 1):
        raise InputError(f"The number of last positions, last, is {last!r:.40}; use a whole number of at least 1.")


def check_length(max_new_tokens: int) -> None:
    """Raises InputError for anything but a whole number of at least 1."""
    if not isinstance(max_new_tokens, int) or max_new_tokens < 1:
        raise InputError(
            f"The length of an answer, max_new_tokens, is {max_new_tokens!r:.40}; use a whole number of at least 1."
        )
