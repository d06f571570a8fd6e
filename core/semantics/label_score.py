"""What a label is worth: whether its words tell apart the prompts on which its feature fires, by detection.

As delphi's detection scoring, but with no second model: of held-out prompts, those nearest a label's words should be
those on which the feature fires. The score is the area under that curve. Beside it stand the scores of shuffled labels:
every other label of the set on the same feature. Nearness is the cosine of text vectors (`core.semantics.vectors`), so
a label that says it in other words scores too low, never too high.
Knows: labels as text, firing. Does not know: which prompts a label was made from; its caller leaves those out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import false_discovery_control, rankdata

from core.edits.edits import Feature
from core.semantics.firing import Firing
from core.semantics.vectors import vectors
from core.semantics.words import content, explanation
from core.statistics import rate

#: A feature has to fire on so many of the prompts, and be silent on so many, for its label to be scored.
FEWEST = 5
#: A label is better than chance where its share among the shuffled ones, corrected, is at most this.
LEVEL = 0.05


class LabelScore(NamedTuple):
    """area: of the label's own words, 0.5 is chance. shuffled: the mean area of the other labels on the same feature.
    p: share of the labels, its own among them, that do as well; q: corrected for the number of labels (Benjamini and
    Hochberg). fires, of: prompts on which the feature fires, and all.
    """

    area: float
    shuffled: float
    p: float
    q: float
    fires: int
    of: int

    @property
    def better_than_chance(self) -> bool:
        return self.q <= LEVEL and self.area > 0.5

    def sentence(self) -> str:
        """For a card."""
        found = f"{self.area:.2f} beside {self.shuffled:.2f} for shuffled labels"
        return found if self.better_than_chance else f"{found}: no better than chance"


def score_labels(
    labels: Mapping[Feature, str], firing: Firing, texts: Sequence[str], others: Sequence[str] = ()
) -> dict[Feature, LabelScore]:
    """feature → its label's score; without those that have no label, or fire on too few of the texts or too many.

    firing: of `texts`, which no label was made from. others: labels of other features of the same kind, to shuffle
    with, where the set is small.
    """
    chosen = [feature for feature, label in labels.items() if explanation(label)]
    fires = firing.own(chosen) > 0 if chosen else np.zeros((len(texts), 0), dtype=bool)
    number = fires.sum(0)
    kept = [i for i in range(len(chosen)) if FEWEST <= number[i] <= len(texts) - FEWEST]
    if not kept:
        return {}
    wanted = [chosen[i] for i in kept]
    said = [content(labels[feature]) for feature in wanted]
    said += [content(label) for label in others if explanation(label)]
    areas = _areas(said, texts, fires[:, kept])
    own = np.diagonal(areas)
    as_good = (areas >= own - 1e-12).sum(0)
    p = as_good / len(said)
    q = false_discovery_control(p)
    shuffled = (areas.sum(0) - own) / max(1, len(said) - 1) if len(said) > 1 else np.full(len(wanted), np.nan)
    return {
        feature: LabelScore(float(own[i]), float(shuffled[i]), float(p[i]), float(q[i]), int(number[k]), len(texts))
        for i, (feature, k) in enumerate(zip(wanted, kept, strict=True))
    }


def better_share(scores: Mapping[Feature, LabelScore]) -> str:
    """How many of the scored labels are better than chance, in words."""
    return str(rate(sum(one.better_than_chance for one in scores.values()), len(scores)))


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
