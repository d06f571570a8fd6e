"""Prompts that are nearly the same: how many of their words two texts share.

Overlap is the Jaccard index of the two texts' sets of words: words in both, of words in either. Words are runs of
letters and digits without regard to case, their apostrophes left out; order and repetition do not count.
Knows: texts. Does not know: files, models, or what is done about a near copy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

#: From this overlap on, a prompt counts as a near copy.
NEAR = 0.8
#: Texts of the other list compared at a time: overlaps of all of ours with these are in memory at once.
_AT_A_TIME = 1000
_APOSTROPHES = str.maketrans("", "", "'\u2019\u2018\u02bc")
_WORD = re.compile(r"[^\W_]+")


class Nearest(NamedTuple):
    """The most alike text of the other list: its place there, and the overlap."""

    theirs: int
    overlap: float


def words_of(text: str) -> frozenset[str]:
    """The set of words that overlap is counted in."""
    return frozenset(_WORD.findall(unicodedata.normalize("NFKC", text).translate(_APOSTROPHES).casefold()))


def overlap(one: str, other: str) -> float:
    """Jaccard index of the two word sets; 0 for a text without words."""
    a, b = words_of(one), words_of(other)
    return len(a & b) / len(a | b) if a and b else 0.0


def nearest(ours: Sequence[str], theirs: Sequence[str]) -> list[Nearest]:
    """For each of ours the first of theirs with the highest overlap; (-1, 0.0) where no word is shared."""
    found = [Nearest(-1, 0.0)] * len(ours)
    vocabulary: dict[str, int] = {}
    mine = _table(ours, vocabulary)
    for start in range(0, len(theirs), _AT_A_TIME):
        part = theirs[start : start + _AT_A_TIME]
        them = _table(part, vocabulary)
        width = max(mine.shape[1], them.shape[1])
        shared = (_widened(mine, width) @ _widened(them, width).T).toarray()
        either = mine.sum(1)[:, None] + them.sum(1)[None, :] - shared
        score = np.divide(shared, either, out=np.zeros(shared.shape), where=either > 0)
        best = score.argmax(1)
        for row, column in enumerate(best):
            if score[row, column] > found[row].overlap:
                found[row] = Nearest(start + int(column), float(score[row, column]))
    return found


def _table(texts: Sequence[str], vocabulary: dict[str, int]) -> csr_array:
    """float64 [texts, words so far], 1 where a text has a word. Words that are new are added to the vocabulary."""
    rows, columns = list[int](), list[int]()
    for row, text in enumerate(texts):
        for word in sorted(words_of(text)):
            rows.append(row)
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(texts), max(1, len(vocabulary))))


def _widened(table: csr_array, width: int) -> csr_array:
    return csr_array((table.data, table.indices, table.indptr), shape=(table.shape[0], width))
