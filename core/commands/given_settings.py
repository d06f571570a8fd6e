"""The settings of a search as they are given on the command line: `--stages` and `--set`.

Knows: words. Does not know: which settings there are (`core.discovery.settings`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import InputError
from core.text.json_text import json_value

_STAGES = "stages"


def settings_given(stages: str | None, words: Sequence[str]) -> dict[str, Any]:
    """Name → value. stages: of `--stages`, None where it was left out. words: of `--set`, each name=value.

    Raises InputError for what is no setting, and for one that is given twice: nothing says which value is meant.
    """
    values: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        name = name.strip()
        if not equals:
            raise InputError(f"“{word:.40}” is not a setting. Write name=value, for example tokens=32.")
        if name in values:
            raise InputError(f"--set gives “{name:.40}” twice. Give it once.")
        values[name] = _value(value)
    if stages is not None and _STAGES in values:
        raise InputError("--stages and --set both give the stages. Leave one of them out.")
    if _STAGES not in values:
        values[_STAGES] = [_value(part) for part in ("1,2,3" if stages is None else stages).split(",")]
    return values


def _value(text: str) -> Any:
    try:
        return json_value(text)
    except ValueError:
        return text.strip()
