"""Layer numbers as people write and read them: “12,14” or “2-16”. Pure functions; knows no model."""

from __future__ import annotations

import re
from collections.abc import Iterable

from core.errors import InputError

#: More layers than any model has; a longer range is a slip of the keyboard.
_MOST = 1000


def parse_layers(text: str) -> tuple[int, ...]:
    """The layers a text names, each once, in order; none for an empty text. Raises InputError."""
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\d{1,4})(?:\s*[-–]\s*(\d{1,4}))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, -1)
        if not first <= last < first + _MOST:
            raise InputError(f"“{text:.40}” is not a list of layers. Write numbers, such as 12,14 or 2-16.")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))


def layers_option(text: str | None) -> tuple[int, ...]:
    """The layers of an option that may be left out; none, for all of them, where it is. Raises InputError, also for a
    text without a number."""
    layers = parse_layers(text or "")
    if text is not None and not layers:
        raise InputError(
            "The list of layers (--layers) names no layer. Write numbers, such as 12,14 or 2-16, or leave it out."
        )
    return layers


def layers_text(layers: Iterable[int]) -> str:
    """“2–16, 20”: neighbours drawn together."""
    runs: list[list[int]] = []
    for layer in sorted(set(layers)):
        if runs and runs[-1][1] == layer - 1:
            runs[-1][1] = layer
        else:
            runs.append([layer, layer])
    return ", ".join(f"{a}" if a == b else f"{a}{'–' if b > a + 1 else ', '}{b}" for a, b in runs)
