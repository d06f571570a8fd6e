"""What labels say: the words that are frequent in them, and which of them are about punctuation or programming.

The paper takes the most frequent content words of Neuronpedia's explanations (Table 4), and finds that about 31% of the
redundant features' explanations are about punctuation and programming. Knows: labels as text. Does not know: features'
activations. Words and stop words are scikit-learn's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from core.labels.wording import SILENT, TEMPLATE, without_promoted

#: Words that are listed, as in the paper's Table 4.
MOST_WORDS = 30
#: A content word: three letters or more, no digits.
WORD = r"(?u)\b[^\W\d_]{3,}\b"
Kind = Literal["punctuation", "programming", "template", "other"]
_PUNCTUATION = re.compile(
    r"\b(punctuation|comma|commas|period|periods|colon|semicolon|apostrophe|quotation|quotes?|brackets?|parenthes[ie]s|"
    r"hyphens?|dash|dashes|newlines?|line breaks?|whitespace|symbols?|delimiters?|question marks?|full stops?)\b"
)
_PROGRAMMING = re.compile(
    r"\b(programming|program|code|coding|software|syntax|functions?|variables?|javascript|python|java|html|css|sql|"
    r"compiler|algorithms?|api|json|xml|script|scripts|loops?|class(?:es)? definitions?|source code|command line)\b"
)
#: The chat template's tokens as labels write them, with the role behind one; and a word that was cut off.
_NOT_SAID = re.compile(
    r"‹[^›…]*[›…]?\w*…?|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]|<?‹/?SYS›>?|<</?SYS>>|"
    r"(?<!\w)\w++…"
)
_MARKED = re.compile(r"⟦(.*?)⟧")


class Frequent(NamedTuple):
    """A content word, how often it stands in the labels, and in how many of them."""

    word: str
    times: int
    labels: int


def explanation(label: str) -> str:
    """What a label says of where its feature fires: without the tokens it promotes and the marks; empty for none."""
    text = without_promoted(label).removeprefix(TEMPLATE).strip()
    return "" if text == SILENT else " ".join(text.replace("⟦", "").replace("⟧", "").split())


def content(label: str) -> str:
    """The words that an explanation says by itself: without the chat template's tokens, and words that were cut off."""
    return " ".join(_NOT_SAID.sub(" ", explanation(label)).split())


def frequent_words(labels: Iterable[str], most: int = MOST_WORDS) -> list[Frequent]:
    """The most frequent content words over the explanations, the most frequent first; equals by alphabet."""
    texts = [text for text in map(content, labels) if text]
    vectorizer = CountVectorizer(stop_words="english", token_pattern=WORD)
    try:
        table = vectorizer.fit_transform(texts)
    except ValueError:  # nothing but stop words, or no labels at all
        return []
    counts, labels_with = np.asarray(table.sum(0)).ravel(), np.asarray((table > 0).sum(0)).ravel()
    names = vectorizer.get_feature_names_out()
    order = sorted(range(len(names)), key=lambda i: (-counts[i], names[i]))[:most]
    return [Frequent(str(names[i]), int(counts[i]), int(labels_with[i])) for i in order]


def kind_of(label: str) -> Kind:
    """Template where the label says so; punctuation where it names it, or where the marked token has no letter or
    digit; programming where it names something of it; else other.
    """
    if label.startswith(TEMPLATE):
        return "template"
    marked = _MARKED.search(label)
    words = explanation(label).casefold()
    if (marked and not any(map(str.isalnum, _named(marked[1])))) or _PUNCTUATION.search(words):
        return "punctuation"
    return "programming" if _PROGRAMMING.search(words) else "other"


def _named(token: str) -> str:
    """A marked token without the signs that labels write blanks with."""
    return re.sub(r"[↵⇥␣]", "", token)
