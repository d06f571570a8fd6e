"""Which column of a table holds the prompts, by its name; and what stands beside it that belongs to a prompt.

Knows: the names that people and public sets use. Does not know: files or separators. A name decides or nothing does:
where no name tells and several columns hold text, the person must choose.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from core.errors import InputError

#: Columns that hold the prompt in public sets, most telling first.
USUAL = ("prompt", "instruction", "goal", "text", "question", "behavior", "forbidden_prompt", "request", "input")
#: Words of a column's name that say the same, most telling first; and words that say it is something else.
_WORDS = ("prompt", "prompts", "query", "instruction", "question", "request", "goal", "behavior", "behaviour")
_OTHER_WORDS = """
    answer answers response responses completion output target reply reference generation id ids type category class
    label score source length tokens language lang hash index template name count number nr date split tag tags
    subcategory author model system
"""
_OTHER = frozenset(_OTHER_WORDS.split())
#: Columns with text that a prompt needs to be understood.
_CONTEXT = frozenset({"contextstring", "context", "context_string", "input", "passage", "system", "system_prompt"})
_LISTED = 12
#: No list of prompts is as wide, and work on columns takes seconds beyond.
MOST_COLUMNS = 1000
#: Rows times columns: what a few wide rows among many narrow ones would take of the memory.
MOST_CELLS = 20_000_000


class Choice(NamedTuple):
    """column: the likeliest to hold the prompts. sure: whether its name, or its being the only text, says so.

    note: what to look at, a sentence or empty.
    """

    column: str
    sure: bool
    note: str = ""


def check_size(name: str, columns: int, rows: int) -> None:
    """Raises InputError for a table that is no list of prompts, before anything is done with its columns."""
    if columns > MOST_COLUMNS:
        raise InputError(
            f"{name} has {columns:,} columns, more than {MOST_COLUMNS:,}. Save the column with the prompts, and the "
            "one with the categories if there is one, by themselves."
        )
    if columns * rows > MOST_CELLS:
        raise InputError(
            f"{name} has {rows:,} rows of {columns:,} columns, more than {MOST_CELLS:,} values. Save the column with "
            "the prompts by itself."
        )


def text_columns(table: pd.DataFrame) -> tuple[str, ...]:
    """The columns with any text that is not blank."""
    return tuple(c for c in table.columns if any(isinstance(v, str) and v.strip() for v in table[c].dropna()))


def is_usual(name: object) -> bool:
    """Whether a column of this name usually holds prompts."""
    return isinstance(name, str) and (_plain(name) in USUAL or bool(_rank(name) is not None))


def choose_column(names: Sequence[str], texts: Sequence[str], lengths: Sequence[float]) -> Choice:
    """The column with the prompts. names: all columns; texts: those with text, at least one; lengths: their mean
    number of characters, which decides only what is suggested first where no name tells."""
    for usual in USUAL:
        found = [name for name in texts if _plain(name) == usual]
        if found:
            return Choice(found[0], len(found) == 1, _without_text(names, texts))
    empty = _without_text(names, texts)
    telling = [name for name in texts if _rank(name) is not None]
    if telling:
        best = min(telling, key=lambda name: _rank(name) or 0)
        return Choice(best, len(telling) == 1 and not empty, empty)
    if len(texts) == 1 and not empty:
        return Choice(texts[0], True)
    longest = max(range(len(texts)), key=lambda i: lengths[i])
    return Choice(texts[longest], False, empty)


def left_out(table: pd.DataFrame, column: str) -> str:
    """What is not read although it belongs to the prompts: a sentence, or empty."""
    has_prompt = [isinstance(value, str) and bool(value.strip()) for value in table[column]]
    for name in table.columns:
        if name != column and _plain(name) in _CONTEXT:
            rows = [
                number
                for number, (value, there) in enumerate(zip(table[name], has_prompt, strict=True), start=1)
                if there and isinstance(value, str) and value.strip()
            ]
            if rows:
                return (
                    f"The column “{name:.40}” has text for {len(rows):,} of the prompts (the first is row "
                    f"{rows[0]:,}), and it is not read. Write it into the prompts if they need it."
                )
    return ""


def named(names: Sequence[str]) -> str:
    """The names, the first of many."""
    more = len(names) - _LISTED
    return ", ".join(f"{name:.60}" for name in names[:_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def _without_text(names: Sequence[str], texts: Sequence[str]) -> str:
    """About a column of a more telling name than any with text, which has none."""
    ranks = [USUAL.index(_plain(name)) for name in texts if _plain(name) in USUAL]
    for name in names:
        plain = _plain(name)
        if name not in texts and plain in USUAL and USUAL.index(plain) < min(ranks, default=len(USUAL)):
            return f"The column “{name:.40}” has no text."
    return ""


def _plain(name: str) -> str:
    return name.strip().lower()


def _rank(name: str) -> int | None:
    """How telling the words of a name are, 0 the most; None where they say nothing, or something else."""
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)]
    if _OTHER.intersection(words):
        return None
    return min((_WORDS.index(word) for word in words if word in _WORDS), default=None)
