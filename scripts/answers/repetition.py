"""How much a text repeats itself, in numbers.

Knows: words, n-grams, a general-purpose compressor. Does not know: verdicts, models.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import NamedTuple

_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}_]+(?:['\u2019]\w+)*")


class Repetition(NamedTuple):
    """words: how many. distinct: share of different 1-, 2- and 3-grams (1.0 where there are none). compression: bytes
    before over after zlib, 0 for empty text. looped: share of the words that lie in a run of three words that comes three
    times or more. top: share of the commonest word.
    """

    words: int
    distinct: tuple[float, float, float]
    compression: float
    looped: float
    top: float


def words_of(text: str) -> list[str]:
    """Lower-case words; each character of a script without spaces is one. Blanks (`____`) are none."""
    return _WORD.findall(text.lower())


def repetition(text: str) -> Repetition:
    words, raw = words_of(text), text.encode()
    compression = len(raw) / len(zlib.compress(raw, 9)) if raw else 0.0
    top = max(Counter(words).values(), default=0) / len(words) if words else 0.0
    distinct = (_distinct(words, 1), _distinct(words, 2), _distinct(words, 3))
    return Repetition(len(words), distinct, compression, _looped(words), top)


def _distinct(words: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def _looped(words: list[str], n: int = 3, times: int = 3) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    count = Counter(grams)
    inside = {at for start, gram in enumerate(grams) if count[gram] >= times for at in range(start, start + n)}
    return len(inside) / len(words) if words else 0.0
