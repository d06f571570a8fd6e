"""What a label is worth: whether its words tell apart the prompts on which its feature fires, by detection.

As delphi's detection scoring, but with no second model: of held-out prompts, those nearest a label's words should be
those on which the feature fires. The score is the area under that curve. Beside it stand the scores of shuffled labels:
every other label of the set on the same feature. Where these are too few for any label to be better than chance, there
is no verdict. Nearness is the cosine of text vectors (`core.semantics.vectors`), so a label that says it in other words
scores too low, never too high.
Knows: labels as text, firing, rows. Does not know: which prompts a label was made from; `core.semantics.unseen` finds
the rows without them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control, rankdata

from core.edits.edits import Feature
from core.semantics.firing import Firing
from core.semantics.vectors import vectors
from core.semantics.words import content, explanation
from core.statistics import Rate, rate

#: A feature has to fire on so many of the prompts, and be silent on so many, for its label to be scored.
FEWEST = 5
#: A label is better than chance where its share among the shuffled ones, corrected, is at most this.
LEVEL = 0.05
#: The best label's share among n labels is 1/n, so among fewer than these none could be better than chance.
FEWEST_LABELS = math.ceil(1 / LEVEL)


class LabelScore(NamedTuple):
    """area: of the label's own words, 0.5 is chance. shuffled: the mean area of the other labels on the same feature.
    p: share of the labels, its own among them, that do as well; q: corrected for the number of labels (Benjamini and
    Hochberg). fires, of: prompts on which the feature fires, and all. labels: how many there were, its own among them.
    """

    area: float
    shuffled: float
    p: float
    q: float
    fires: int
    of: int
    labels: int

    @property
    def comparable(self) -> bool:
        """Whether there were labels enough to find it better than chance, or no better."""
        return self.labels >= FEWEST_LABELS

    @property
    def better_than_chance(self) -> bool:
        return self.q <= LEVEL and self.area > 0.5

    @property
    def too_few(self) -> str:
        """Why there is no verdict; empty where there is one."""
        return "" if self.comparable else f"too few labels to compare with ({self.labels})"

    @property
    def verdict(self) -> str:
        """Whether it is better than chance, for a table: yes, no, or why neither can be said."""
        return self.too_few or ("yes" if self.better_than_chance else "no")

    def sentence(self) -> str:
        """For a card."""
        found = f"{self.area:.2f}"
        if self.labels > 1:
            found += f" beside {self.shuffled:.2f} for shuffled labels"
        return found if self.better_than_chance else f"{found}: {self.too_few or 'no better than chance'}"


def score_labels(
    labels: Mapping[Feature, str],
    firing: Firing,
    texts: Sequence[str],
    others: Sequence[str] = (),
    rows: Sequence[tuple[Sequence[Feature], np.ndarray]] = (),
) -> dict[Feature, LabelScore]:
    """feature → its label's score; without those that have no label, or fire on too few of the texts or too many.

    firing: of `texts`. others: labels of other features of the same kind, to shuffle with, where the set is small.
    rows: features in groups, each once, with the places (int64) of the texts that their labels are scored on, which are
    those they were not made from; without any, all labels are scored on all texts. Labels that it is shuffled with may
    have been made from these texts, though none of them of this feature.
    """
    chosen = [feature for feature, label in labels.items() if explanation(label)]
    parts = [
        part
        for features, places in rows or [(chosen, np.arange(len(texts)))]
        if (part := _scorable([f for f in features if explanation(labels.get(f, ""))], firing, places)).features
    ]
    said = {feature: content(labels[feature]) for part in parts for feature in part.features}
    more = [content(label) for label in others if explanation(label)]
    found = dict[Feature, LabelScore]()
    for part in parts:
        mine = set(part.features)
        rest = [text for feature, text in said.items() if feature not in mine]
        every = [*(said[feature] for feature in part.features), *rest, *more]
        areas = _areas(every, [texts[i] for i in part.rows], part.fires)
        own = np.diagonal(areas)
        p = (areas >= own - 1e-12).sum(0) / len(every)
        shuffled = (areas.sum(0) - own) / (len(every) - 1) if len(every) > 1 else np.full(len(own), np.nan)
        number, of = part.fires.sum(0), len(part.rows)
        for i, feature in enumerate(part.features):
            figures = float(own[i]), float(shuffled[i]), float(p[i])
            found[feature] = LabelScore(*figures, float("nan"), int(number[i]), of, len(every))
    if not found:
        return {}
    q = false_discovery_control([one.p for one in found.values()])
    return {feature: one._replace(q=float(q[i])) for i, (feature, one) in enumerate(found.items())}


class _Part(NamedTuple):
    """Features that are scored on the same texts. rows: int64, their places. fires: bool [rows, features]."""

    features: tuple[Feature, ...]
    rows: np.ndarray
    fires: np.ndarray


def _scorable(features: Sequence[Feature], firing: Firing, rows: np.ndarray) -> _Part:
    """Those of the features that fire on enough of the texts, and are silent on enough."""
    if not features or not len(rows):
        return _Part((), rows, np.zeros((len(rows), 0), dtype=bool))
    fires = firing.own(features)[rows] > 0
    number = fires.sum(0)
    kept = np.flatnonzero((number >= FEWEST) & (number <= len(rows) - FEWEST))
    return _Part(tuple(features[int(i)] for i in kept), rows, fires[:, kept])


def better_rate(scores: Iterable[LabelScore]) -> Rate:
    """How many are better than chance, of those that had labels enough to compare with."""
    compared = [one for one in scores if one.comparable]
    return rate(sum(one.better_than_chance for one in compared), len(compared))


def _areas(labels: Sequence[str], texts: Sequence[str], fires: np.ndarray) -> np.ndarray:
    """float64 [labels, features]: the area of every label on every feature. fires: bool [texts, features].

    An area is the sum of the ranks of the texts on which a feature fires, shifted and scaled, so all of them are one
    product of matrices.
    """
    first, second = vectors(labels, texts)
    ranks = rankdata((first @ second.T).toarray(), axis=1)
    n = fires.sum(0).astype(np.float64)
    found: np.ndarray = (ranks @ fires - n * (n + 1) / 2) / (n * (len(texts) - n))
    return found
