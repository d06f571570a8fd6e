"""Contexts: places where a feature fires strongly, and how labels files and the store keep them.

Knows: their JSON. Does not know: labels, features, files.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from core.text.json_text import json_text, json_value


@dataclass(frozen=True)
class Context:
    """One place where a feature fires strongly: the text before, the token, the text after, the activation there."""

    before: str
    token: str
    after: str
    activation: float


def contexts_to_json(contexts: Iterable[Context]) -> str:
    """One line, as labels files and the store keep them."""
    return json_text([vars(context) for context in contexts], ascii_only=False)


def contexts_from_json(text: object) -> tuple[Context, ...]:
    """Contexts out of their JSON; what does not read as one is left out, because a label is a help and not a result."""
    try:
        rows = json_value(str(text))
    except ValueError:
        return ()
    if not isinstance(rows, list):
        return ()
    found = []
    for row in rows:
        if isinstance(row, dict) and "token" in row:
            found.append(
                Context(
                    str(row.get("before", "")),
                    str(row["token"]),
                    str(row.get("after", "")),
                    _number(row.get("activation")),
                )
            )
    return tuple(found)


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and abs(value) < math.inf else math.nan
