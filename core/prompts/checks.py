"""What is wrong with a list of prompts, and how to divide it: pure functions on texts.

Knows: Unicode, duplicates, lengths, damaged text, seeds. Does not know: files, models, where prompts come from.
A report is a value: what is kept, what is dropped and why, what to look at.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, NamedTuple, get_args

from core.errors import InputError
from core.text.figures import counted
from core.text.json_text import json_text

Reason = Literal["empty", "not text", "duplicate", "too long", "damaged"]
#: Longer than this is no request, and mostly a sign that a file was read by the wrong column.
MOST_CHARACTERS = 8_000
_BOM, _REPLACEMENT = "\ufeff", "\ufffd"
_BLANKS = "\t\n\r"


class Dropped(NamedTuple):
    """row: its place in the list as given, from 0. detail: what exactly, in words."""

    row: int
    text: str
    reason: Reason
    detail: str


@dataclass(frozen=True)
class Report:
    """kept: the texts, outer white space gone, in their order; rows: where each stood, from 0. warnings: sentences."""

    kept: tuple[str, ...]
    rows: tuple[int, ...]
    dropped: tuple[Dropped, ...]
    warnings: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[Reason, int]:
        """How many were dropped for each reason; only reasons that occur, in a fixed order."""
        found = Counter(one.reason for one in self.dropped)
        return {reason: found[reason] for reason in get_args(Reason) if found[reason]}

    def sentence(self) -> str:
        """The counts in words."""
        why = ", ".join(f"{count:,} {reason}" for reason, count in self.counts.items())
        return f"{len(self.kept):,} of {len(self.kept) + len(self.dropped):,} prompts kept" + (
            f"; dropped: {why}." if why else "."
        )

    def rows_dropped(self, most: int = 10) -> tuple[str, ...]:
        """The first of them, a line each with row and reason, and how many more there are."""
        lines = tuple(f"row {one.row + 1:,}: {one.reason}, {one.detail}" for one in self.dropped[:most])
        more = len(self.dropped) - len(lines)
        return (*lines, f"and {counted(more, 'more row')}") if more else lines


def same_text_key(text: str) -> str:
    """Equal for texts that a reader takes for the same: compatibility caseless matching (Unicode 16, D146), blanks
    joined."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", text).casefold()).casefold()
    return " ".join(unicodedata.normalize("NFKD", folded).split())


def prompts_digest(*lists: Sequence[str]) -> str:
    """Which prompts these are: 16 hex digits of the sha256 of the lists as JSON. Runs of the search use the same."""
    return hashlib.sha256(json_text([list(texts) for texts in lists]).encode()).hexdigest()[:16]


def check_prompts(
    texts: Sequence[str],
    most_characters: int = MOST_CHARACTERS,
    most_tokens: int | None = None,
    count_tokens: Callable[[str], int] | None = None,
    not_text: Mapping[int, str] = {},
) -> Report:
    """Go through a list of prompts. most_tokens: limit on `count_tokens` of a text, asked only where it may be over.
    not_text: rows of which the file has another value, and what that is (`PromptFile.not_text`).

    Dropped are texts that are empty, too long, damaged (replacement or control characters, lone surrogates) or the same
    as an earlier one (`same_text_key`), and what is no text. Of text that was probably decoded wrongly a warning tells:
    it may be meant.
    """
    kept: dict[str, tuple[int, str]] = {}
    dropped: list[Dropped] = []
    marks, garbled = 0, list[int]()
    for row, given in enumerate(texts):
        marks += _BOM in given
        text = given.replace(_BOM, "").strip()
        key = same_text_key(text)
        if row in not_text:
            dropped.append(Dropped(row, text, "not text", f"{not_text[row]}; write a text between quotation marks"))
        elif not key:
            dropped.append(Dropped(row, text, "empty", "no text"))
        elif len(text) > most_characters:
            dropped.append(
                Dropped(row, text, "too long", f"{len(text):,} characters, the limit is {most_characters:,}")
            )
        elif damaged := damage(text):
            dropped.append(Dropped(row, text, "damaged", damaged))
        elif key in kept:
            dropped.append(Dropped(row, text, "duplicate", f"the same as row {kept[key][0] + 1:,}"))
        elif (tokens := _tokens_over(text, most_tokens, count_tokens)) is not None:
            dropped.append(Dropped(row, text, "too long", f"{tokens:,} tokens, the limit is {most_tokens:,}"))
        else:
            kept[key] = row, text
            if _twice_encoded(text):
                garbled.append(row)
    warnings = []
    if marks:
        warnings.append(f"{counted(marks, 'prompt')} contained a byte-order mark, which was removed.")
    if garbled:
        rows = ", ".join(str(row + 1) for row in garbled[:5]) + (" and more" if len(garbled) > 5 else "")
        warnings.append(
            f"{counted(len(garbled), 'prompt')} (row {rows}) look like UTF-8 that was read in another encoding, "
            "such as “Ã©” for “é”. Save the file as UTF-8 again."
        )
    return Report(
        tuple(t for _, t in kept.values()), tuple(r for r, _ in kept.values()), tuple(dropped), tuple(warnings)
    )


def _tokens_over(text: str, most: int | None, count: Callable[[str], int] | None) -> int | None:
    """How many tokens it has where that is over the limit. No tokenizer makes more tokens than there are bytes."""
    if most is None or count is None or len(text.encode("utf-8")) <= most:
        return None
    found = count(text)
    return found if found > most else None


def damage(text: str) -> str:
    """What is broken in a text, in words; empty for a whole one."""
    if _REPLACEMENT in text:
        return "a replacement character, because some text could not be decoded"
    for character in text:
        kind = unicodedata.category(character)
        if kind == "Cs":
            return f"half a surrogate pair, U+{ord(character):04X}"
        if kind == "Cc" and character not in _BLANKS:
            return f"a control character, U+{ord(character):04X}"
    return ""


def _twice_encoded(text: str) -> bool:
    """Whether its characters, taken back to the bytes of an old encoding, are UTF-8, as they hardly are by chance."""
    for encoding in ("cp1252", "latin-1"):
        try:
            return text.encode(encoding).decode("utf-8") != text
        except UnicodeError:
            continue
    return False


def one_category_each(texts: Sequence[str], categories: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The category of every row, the same for the same text (`same_text_key`); and a sentence on texts that are in
    several, or empty.

    categories: of every row, empty where it has none. The first that a text has is kept.
    """
    keys = [same_text_key(text.replace(_BOM, "")) for text in texts]
    first: dict[str, tuple[int, str]] = {}
    several: dict[str, tuple[int, str]] = {}
    for row, (key, name) in enumerate(zip(keys, categories, strict=True)):
        if key and name and first.setdefault(key, (row, name))[1] != name:
            several.setdefault(key, (row, name))
    found = tuple(first[key][1] if key in first else "" for key in keys)
    if not several:
        return found, ""
    key, (row, name) = next(iter(several.items()))
    kept_row, kept = first[key]
    return found, (
        f"In several categories: {counted(len(several), 'prompt')}. Row {row + 1:,} has “{name:.60}”, but the same "
        f"prompt in row {kept_row + 1:,} has “{kept:.60}”. The first category is kept."
    )


Portion = int | Fraction


def parse_split(text: str) -> dict[str, Portion]:
    """“train=128,val=32” or “train=0.8,val=0.2”: name → a number of prompts, or a share of them. Raises InputError."""
    found: dict[str, Portion] = {}
    for word in filter(None, (word.strip() for word in text.split(","))):
        name, _, value = (part.strip() for part in word.partition("="))
        try:
            share = Fraction(value)
        except (ValueError, ZeroDivisionError):
            share = Fraction(0)
        whole = share.denominator == 1 and "." not in value and "/" not in value
        if not name.isidentifier() or name in found or share <= 0 or not (whole or share <= 1):
            raise InputError(
                f"“{word:.40}” is not a part of a split. Write each name once, with a number of prompts or a share: "
                "train=128,val=32 or train=0.8,val=0.2."
            )
        found[name] = int(share) if whole else share
    if not found:
        raise InputError("The split has no parts. Write for example train=128,val=32.")
    return found


def split(texts: Sequence[str], parts: Mapping[str, Portion], seed: int) -> dict[str, tuple[str, ...]]:
    """Divide texts into named parts, drawn by `seed`. Raises InputError where there are too few.

    The order in which texts are given changes nothing, and a text added to a list leaves the order of all others as it
    was: each has a place of its own, the sha256 of seed and text. The same text (`same_text_key`) never stands in two
    parts, nor twice in one.
    """
    chosen: dict[str, str] = {}
    for text in texts:
        key = same_text_key(text)
        chosen[key] = min(text, chosen.get(key, text))
    ordered = sorted(chosen, key=lambda key: hashlib.sha256(f"{seed}\0{key}".encode("utf-8", "surrogatepass")).digest())
    found: dict[str, tuple[str, ...]] = {}
    start, end = 0, Fraction(0)
    for name, portion in parts.items():
        end += portion if isinstance(portion, int) else portion * len(ordered)
        stop = int(end + Fraction(1, 2))  # running ends are rounded, so that shares which make up one make up all
        if stop > len(ordered):
            raise InputError(
                f"The split asks for {stop:,} prompts up to the part “{name}”, but there are {len(ordered):,} "
                "different prompts. Ask for fewer."
            )
        found[name] = tuple(chosen[key] for key in ordered[start:stop])
        start = stop
    return found
