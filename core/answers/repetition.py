"""How much a text repeats itself, in numbers.

Knows: words, n-grams, a general-purpose compressor, and what is no prose: code, tables, encoded data, blanks to fill
in. Does not know: verdicts, models."""

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
#: A number in any notation, or a piece of arithmetic.
_NUMBER = re.compile(r"(?=.*\d|[-+*/=x×])[-+0-9a-fA-FxX.,:;%()\[\]/*=×]+")
_LONGEST_LINE = 160
#: The same few characters again and again without a break (“nononononono”).
_RUN = re.compile(r"([^\W\d_]\S{0,11}?\s?)\1{7,}|([^\W_])\2{29,}")


#: Words that people do say twice in a row.
_DOUBLED = frozenset({"very", "really", "so", "had", "that", "long", "far", "many", "much", "ha", "bye"})


class Repetition(NamedTuple):
    """words: how many; a line of code or of a table counts as one. distinct: share of different 1-, 2- and 3-grams (1.0
    where there are none). compression: bytes before over after zlib, 0 for empty text. looped: share of the words that
    lie in a run of three that comes three times or more. top: share of the commonest word. run: share of the
    characters that are one short piece written eight times and more without a break. stuttered: share of the words that
    only say the one or two before again. No run goes beyond the end of a line.
    """

    words: int
    distinct: tuple[float, float, float]
    compression: float
    looped: float
    top: float
    run: float
    stuttered: float


def sequences_of(text: str) -> list[list[str]]:
    """Lower-case words, line by line; each character of a script without spaces is one. Blanks (`____`) are none, and
    neither is encoded data. Lines of code or of a table are one word each, and stand together in one sequence, so that
    they repeat themselves only where whole lines do."""
    found: list[list[str]] = []
    structured: list[str] = []
    fenced = False
    for line in without_encoded(text).split("\n"):
        fence = line.lstrip().startswith("```")
        fenced ^= fence
        if not fence and len(line) <= _LONGEST_LINE and (fenced or _is_structured(line)):
            if _WORD.search(line) is not None:
                structured.append(" ".join(line.lower().split()))
        elif not fence:
            found.append(_WORD.findall(line.lower()))
    return [*found, structured]


def _is_structured(line: str) -> bool:
    if _STRUCTURED.match(line):
        return True
    pieces = line.split()
    return len(pieces) > 1 and all(_NUMBER.fullmatch(piece) for piece in pieces)


def without_encoded(text: str) -> str:
    """The text without blocks of base64 or hexadecimal. One letter over and over is no such block."""
    return _ENCODED.sub(lambda block: " " if _is_encoded(block[0]) else block[0], text)


def _is_encoded(block: str) -> bool:
    """Many different letters, and digits or capitals in the middle, which words of that length do not have."""
    return len(set(block)) >= 8 and re.search(r"\d|[a-z][A-Z]", block) is not None


def repetition(text: str) -> Repetition:
    sequences, raw = sequences_of(text), text.encode("utf-8", "surrogatepass")
    words = [word for sequence in sequences for word in sequence]
    compression = len(raw) / len(zlib.compress(raw, 9)) if raw else 0.0
    top = max(Counter(words).values(), default=0) / len(words) if words else 0.0
    distinct = (_distinct(sequences, 1), _distinct(sequences, 2), _distinct(sequences, 3))
    stuttered = stutter(without_encoded(text).lower().split()) / len(words) if words else 0.0
    return Repetition(len(words), distinct, compression, _looped(sequences), top, _run(text), stuttered)


def stutter(tokens: list[str]) -> int:
    """How many tokens only say the one before, or the two before, again, with no punctuation in between."""
    found, at = 0, 1
    while at < len(tokens):
        before, word = tokens[at - 1], tokens[at]
        if before[-1].isalpha() and at >= 2 and tokens[at : at + 2] == tokens[at - 2 : at] != [word, word]:
            found, at = found + 2, at + 2
        else:
            found, at = found + (before == word and word[-1].isalpha() and word not in _DOUBLED), at + 1
    return found


def _grams(sequences: list[list[str]], n: int) -> list[list[tuple[str, ...]]]:
    return [[tuple(words[i : i + n]) for i in range(len(words) - n + 1)] for words in sequences]


def _distinct(sequences: list[list[str]], n: int) -> float:
    grams = [gram for some in _grams(sequences, n) for gram in some]
    return len(set(grams)) / len(grams) if grams else 1.0


def _looped(sequences: list[list[str]], n: int = 3, times: int = 3) -> float:
    grams = _grams(sequences, n)
    count = Counter(gram for some in grams for gram in some)
    inside = sum(
        len({at for start, gram in enumerate(some) if count[gram] >= times for at in range(start, start + n)})
        for some in grams
    )
    words = sum(map(len, sequences))
    return inside / words if words else 0.0


def _run(text: str) -> float:
    plain = without_encoded(text)
    length = len(plain.strip())
    return sum(len(found[0]) for found in _RUN.finditer(plain)) / length if length else 0.0
