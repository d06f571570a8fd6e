"""How much a text repeats itself, in numbers.

Knows: words, n-grams, a general-purpose compressor. Does not know: verdicts, models.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}_]+(?:['\u2019]\w+)*")


class Repetition(NamedTuple):
    """words: how many. distinct: share of different 1-, 2- and 3-grams (1.0 where there are none). compression: bytes
    before over after zlib, 0 for empty text. longest_run: most times one word stands directly after itself. top: share of
    the commonest word.
    """

    words: int
    distinct: tuple[float, float, float]
    compression: float
    longest_run: int
    top: float


def words_of(text: str) -> list[str]:
    """Lower-case words; each character of a script without spaces is one. Blanks (`____`) are none."""
    return _WORD.findall(text.lower())


def repetition(text: str) -> Repetition:
    words = words_of(text)
    raw = text.encode()
    compression = len(raw) / len(zlib.compress(raw, 9)) if raw else 0.0
    run = longest = 0
    before = None
    for word in words:
        run = run + 1 if word == before else 1
        longest, before = max(longest, run), word
    top = max(map(words.count, set(words)), default=0) / len(words) if words else 0.0
    return Repetition(len(words), tuple(_distinct(words, n) for n in (1, 2, 3)), compression, longest, top)  # type: ignore[arg-type]


def _distinct(words: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0
