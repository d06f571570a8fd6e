"""Features and edits as people type and paste them, in the one form that is read: `12-40=6@bos,14-7`.

Pure functions on text. Knows: other dashes and separators, `L12/40`, the words that the pages write an edit with, pages
and ids of Neuronpedia. Does not know: what an edit does. What it cannot make out it leaves alone, so that whoever reads
the edits says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from core.errors import InputError

#: What keyboards and word processors put for a hyphen or a minus sign.
_DASHES = "\u2010\u2011\u2012\u2013\u2014\u2212\uff0d"
_PAIR = re.compile(rf"(?<![\w.])(?i:l(?:ayer )?)?(\d{{1,9}})\s*[-{_DASHES}/:]\s*(\d{{1,9}})(?![\w./])")
_OPERATOR = re.compile(r"(?<!\s)\s*+([=*@?>])\s*+")
_SIGNS = {"at": "@", "if": "?"}
_SPOKEN = re.compile(r"(?<!\s)\s++(at|if)\s++", re.IGNORECASE)
_DIRECTION = re.compile(r"(?<![\w.])(?:refusal )?direction(?!\w)", re.IGNORECASE)
# A number with a decimal comma is one piece of a word, so that whoever reads the word can say so: what follows the
# comma is no edit by itself.
_WORD = re.compile(r"(?:[=*>][-+]?\d+,\d+(?![^,;\s@*?])|[^,;\s])+")
# Possessive, and begun only where a word begins: pasted text may be long.
_PAGE = re.compile(
    r"(?:(?:https?://)?(?:www\.)?neuronpedia\.org/)?(?<![\w.+-])(?P<model>[\w.+-]++)/"
    r"(?P<source>(?=[\w.+-]*[A-Za-z])[\w.+-]++)/(?P<index>\d{1,9})"
    r"(?:/|\?[^\s,;]*)?(?=$|[\s,;=*×@?])"
)


def tidy(text: str) -> str:
    """Edits with the separators and signs that `core.edits.text` reads. A text that is tidy already stays as it is."""
    return ",".join(words(text))


def words(text: str) -> list[str]:
    """The single edits of a text, in order, each as `tidy` writes it."""
    text = _SPOKEN.sub(lambda found: _SIGNS[found[1].lower()], text.strip().replace("×", "*"))
    text = _OPERATOR.sub(r"\1", text)
    text = _PAIR.sub(lambda found: f"{int(found[1])}-{int(found[2])}", text)
    text = _DIRECTION.sub("direction", text)
    text = re.sub(rf"(?<=[=*>])[{_DASHES}]", "-", text)
    text = re.sub(r"@([A-Za-z]+)", lambda found: f"@{found[1].lower()}", text)
    return _WORD.findall(text)


def from_neuronpedia(text: str, sources: Mapping[int, str]) -> str:
    """The same text with pages and ids of Neuronpedia as `layer-index`. sources: layer → “model/source” of the model's
    own SAEs there. Raises InputError for a feature of any other source.
    """

    def own(found: re.Match[str]) -> str:
        there = f"{found['model']}/{found['source']}".lower()
        layer = next((layer for layer, source in sources.items() if source.lower() == there), None)
        if layer is None:
            known = f"This model's are {', '.join(sorted(sources.values())[:3])}" if sources else "This model has none"
            raise InputError(
                f"“{found[0][:80]}” is a feature of another SAE on Neuronpedia. {known}. Use a feature of these, or "
                "write layer-index, for example 12-40."
            )
        return f"{layer}-{found['index']}"

    return _PAGE.sub(own, text)
