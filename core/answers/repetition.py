"""How much a text repeats itself, in numbers.

Knows: words, n-grams, a general-purpose compressor, and what is no prose: code, tables, encoded data, blanks to fill in.
Does not know: verdicts, models.
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from typing import NamedTuple

#: Scripts written without spaces (Thai, Lao, kana, Han): each character counts as a word.
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}_]+(?:['\u2019]\w+)*")
#: Base64 and hexadecimal: long runs without a space, on one line or several.
_ENCODED = re.compile(r"(?:(?<!\S)[A-Za-z0-9+/_-]{20,}={0,2}(?!\S)\s*)+(?:[A-Za-z0-9+/_-]{1,}={1,2}(?!\S))?")
#: A line of code, of a table, of markup or of arithmetic; longer ones are read as prose.
_STRUCTURED = re.compile(
    r".*\|.*\||.*</\w+>|\s*<\w|.*[;{}]\s*$|\s*[\w.]+\(.*\)\s*$|.*(?: = |==|=>|->)|[^\t]*\t[^\t]*\t|"
    r"\s*(?:def|class|for|while|if|elif|else|import|from|return|print)\b.*[:)]\s*$"
)
_LONGEST_LINE = 160
#: The same few characters again and again without a break (“nononononono”).
_RUN = re.compile(r"([^\W\d_]\S{0,11}?\s?)\1{7,}|([^\W_])\2{29,}")


class Repetition(NamedTuple):
    """words: how many; a line of code or of a table counts as one. distinct: share of different 1-, 2- and 3-grams (1.0
    where there are none). compression: bytes before over after zlib, 0 for empty text. looped: share of the words that
    lie in a run of three that comes three times or more. top: share of the commonest word. run: share of the
    characters that are one short piece written eight times and more without a break.
    """

    words: int
    distinct: tuple[float, float, float]
    compression: float
    looped: float
    top: float
    run: float


def words_of(text: str) -> list[str]:
    """Lower-case words; each character of a script without spaces is one. Blanks (`____`) are none, and neither is
    encoded data. A line of code or of a table is one word, so that it repeats itself only where whole lines do."""
    found: list[str] = []
    fenced = False
    for line in without_encoded(text).split("\n"):
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        if not fence and len(line) <= _LONGEST_LINE and (fenced or _STRUCTURED.match(line)):
            if _WORD.search(line) is not None:
                found.append(" ".join(line.lower().split()))
        elif not fence:
            found += _WORD.findall(line.lower())
    return found


def without_encoded(text: str) -> str:
    """The text without blocks of base64 or hexadecimal. One letter over and over is no such block."""
    return _ENCODED.sub(lambda block: " " if _is_encoded(block[0]) else block[0], text)


def _is_encoded(block: str) -> bool:
    """Many different letters, and digits or capitals in the middle, which words of that length do not have."""
    return len(set(block)) >= 8 and re.search(r"\d|[a-z][A-Z]", block) is not None


def repetition(text: str) -> Repetition:
    words, raw = words_of(text), text.encode("utf-8", "surrogatepass")
    compression = len(raw) / len(zlib.compress(raw, 9)) if raw else 0.0
    top = max(Counter(words).values(), default=0) / len(words) if words else 0.0
    distinct = (_distinct(words, 1), _distinct(words, 2), _distinct(words, 3))
    return Repetition(len(words), distinct, compression, _looped(words), top, _run(text))


def _distinct(words: list[str], n: int) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def _looped(words: list[str], n: int = 3, times: int = 3) -> float:
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    count = Counter(grams)
    inside = {at for start, gram in enumerate(grams) if count[gram] >= times for at in range(start, start + n)}
    return len(inside) / len(words) if words else 0.0


def _run(text: str) -> float:
    plain = without_encoded(text)
    length = len(plain.strip())
    return sum(len(found[0]) for found in _RUN.finditer(plain)) / length if length else 0.0
