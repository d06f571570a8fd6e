"""Which prompts a label may be scored on: those it was not made from, found by the digests that labels made here keep.

Knows: what labels were made from, a list of prompts. Does not know: activations, how a label is scored.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.errors import InputError
from core.labels.notes import Labels
from core.labels.source_texts import MadeFrom, Origin, text_digest
from core.prompts.categories import FEWEST, Labelled, labelled
from core.semantics import label_score
from core.text.figures import counted


class Unseen(NamedTuple):
    """Features whose labels were made from none of the same prompts. rows: int64, the places of these among the list's
    texts and, behind them, its contrast prompts. prompts: the list of them; None where they are too few for categories.
    """

    features: tuple[Feature, ...]
    rows: np.ndarray
    prompts: Labelled | None


def unseen_prompts(features: Sequence[Feature], known: Labels, prompts: Labelled) -> tuple[Unseen, ...]:
    """The features in groups, each with the prompts that none of its labels was made from. A label that does not say
    from which texts it was made, and a feature without one, have all of them."""
    digests = list(map(text_digest, (*prompts.texts, *prompts.contrast)))
    groups: dict[frozenset[str], list[Feature]] = {}
    for feature in features:
        source = known.made_from(feature) or MadeFrom("shipped")
        groups.setdefault((source.texts or frozenset()).intersection(digests), []).append(feature)
    return tuple(
        Unseen(tuple(several), rows, _at(prompts, rows))
        for left_out, several in groups.items()
        for rows in [np.array([i for i, digest in enumerate(digests) if digest not in left_out], dtype=np.int64)]
    )


def _at(prompts: Labelled, rows: np.ndarray) -> Labelled | None:
    """The list of these rows alone, without categories that are too small then; None where nothing can be compared."""
    n = len(prompts.texts)
    if len(rows) == n + len(prompts.contrast):
        return prompts
    places = [int(i) for i in rows if i < n]
    contrast = [prompts.contrast[i - n] for i in rows if i >= n]
    if prompts.contrast and len(contrast) < FEWEST:
        return None
    try:
        texts, names = [prompts.texts[i] for i in places], [prompts.categories[i] for i in places]
        return labelled(texts, names, contrast, prompts.origin)
    except InputError:  # no category has enough prompts, or there is nothing to compare the only one with
        return None


def scored_on(groups: Sequence[Unseen], known: Labels, prompts: Labelled) -> str:
    """Which prompts labels were scored on, and what is not known of that, in sentences; empty without labels."""
    of, said = len(prompts.texts) + len(prompts.contrast), list[str]()
    for group in groups:
        left_out, rest = of - len(group.rows), len(group.rows)
        if not left_out:
            continue
        mine = f"Labels of {counted(len(group.features), 'feature')}"
        without = f"the {left_out:,} of {counted(of, 'prompt')} that they were made from"
        if rest < 2 * label_score.FEWEST:
            said.append(
                f"{mine} are not scored: without {without}, {rest:,} are left, and at least "
                f"{2 * label_score.FEWEST} are needed. Choose other prompts."
            )
        elif group.prompts is None:
            said.append(
                f"{mine} are scored without {without}; the other {rest:,} are too few in each category to compare both "
                "routes to one."
            )
        else:
            said.append(f"{mine} are scored, and their words compared with categories, without {without}.")
    sources = [source for group in groups for f in group.features if (source := known.made_from(f)) is not None]
    return " ".join([*said, *_not_noted(sources)])


def _not_noted(sources: Sequence[MadeFrom]) -> list[str]:
    """What is to be said of labels that do not list the texts they were made from."""
    number = Counter(source.origin for source in sources if source.texts is None)
    told: dict[Origin, str] = {
        "made here": "were made here, and their files do not say from which prompts. If it was from these, their "
        "scores are too good. Make them again to know.",
        "shipped": "are shipped. They were made from conversations that the SAEs were trained on, not from the model's "
        "held-out prompts.",
        "Neuronpedia": "are from Neuronpedia, which makes them from other text.",
    }
    return [
        f"Labels of {counted(number[origin], 'feature')} {sentence}"
        for origin, sentence in told.items()
        if number[origin]
    ]
