"""Which texts labels were made from: a digest of each in the file of labels, so that nobody scores a label on them.

Knows: texts, digests, who made labels. Does not know: labels, files, models. The texts themselves are not kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

from core.prompts.checks import same_text_key

#: Shipped with the model, from Neuronpedia, or made on this machine (`core.labels.making`).
Origin = Literal["shipped", "Neuronpedia", "made here"]
#: Where a file of labels lists the digests of its texts.
SOURCE_TEXTS = b"source_texts"
#: Of more texts than this no digests are kept; the list would be longer than the labels.
MOST_TEXTS = 50_000


class MadeFrom(NamedTuple):
    """origin: where a label is from. texts: digests of the texts it was made from; None where nobody noted them."""

    origin: Origin
    texts: frozenset[str] | None = None


def text_digest(text: str) -> str:
    """What a text is known by: 16 hex digits of a sha256, equal for texts that a reader takes for the same."""
    return _digest(same_text_key(text))


def to_metadata(texts: Sequence[str]) -> str:
    """The digests of texts as a file keeps them, behind a digest of their list, because Parquet has no checksum of what
    a file says of itself; empty for no texts and for too many."""
    found = sorted(set(map(text_digest, texts)))
    listed = " ".join(found)
    return f"{_digest(listed)} {listed}" if 0 < len(found) <= MOST_TEXTS else ""


def from_metadata(kept: bytes | None) -> frozenset[str] | None:
    """The digests that a file keeps; None where it keeps none, or they have changed on the disk."""
    whole, _, listed = (kept or b"").decode("ascii", "replace").partition(" ")
    return frozenset(listed.split()) if listed and _digest(listed) == whole else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
