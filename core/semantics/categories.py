"""Which categories of prompts a feature answers to: firing rate, lift, area under the curve, and a corrected test.

The paper maps a feature to every category on a sample of which it is not zero (“Mapping causal features to unsafe
taxonomy”, Figure 3). A feature that fires at BOS, or on any common word, then answers to all five. Beside that stands a
corrected definition: on the prompt's own tokens it fires more strongly in the category than on contrast prompts, by the
Mann–Whitney test with the false discovery rate of Benjamini and Hochberg over all features that fire and categories.
Knows: firing as numbers, labelled prompts. Does not know: models, labels of features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from scipy.stats import false_discovery_control, mannwhitneyu

from core.edits.edits import Feature
from core.prompts.categories import Labelled
from core.semantics.firing import Firing

#: A feature answers to a category from this area under the curve on …
LEAST_AREA = 0.6
#: … at this false discovery rate …
LEVEL = 0.05
#: … and where it fires on so large a share of the category's prompts. Below it in every category it is about none.
LEAST_RATE = 0.05
#: Features tested at a time: float64 [prompts, features] are in memory.
_AT_ONCE = 1024
Verdict = Literal["single category", "several", "mixed", "none"]
CONTRAST, OTHERS = "the contrast prompts", "the prompts of the other categories"


@dataclass(frozen=True, eq=False)
class CategoryTests:
    """F features against C categories of one list.

    rate, lift, area, p, q: float64 [F, C]. rate: share of the category's prompts on whose own tokens it fires. lift:
    that rate over the rate in all categories together, NaN where it fires in none. area: share of pairs of a prompt
    of the category and one of `against` in which it fires more strongly on the first. fires: bool [F, C], the paper's
    definition. contrast: float64 [F], its rate on `against`; NaN where that is another one for each category.
    active: bool [F], whether it fires at any token of any prompt; one that does not is not tested: its p and q are 1.
    """

    features: tuple[Feature, ...]
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    rate: np.ndarray
    lift: np.ndarray
    area: np.ndarray
    p: np.ndarray
    q: np.ndarray
    fires: np.ndarray
    contrast: np.ndarray
    active: np.ndarray
    against: str
    n_against: int

    @cached_property
    def answers(self) -> np.ndarray:
        """bool [F, C]: the corrected definition."""
        found: np.ndarray = (self.q <= LEVEL) & (self.area >= LEAST_AREA) & (self.rate >= LEAST_RATE)
        return found

    def verdict(self, place: int) -> Verdict:
        """Of the feature at this place. mixed: it fires in a category, and about as much outside it."""
        answered = int(self.answers[place].sum())
        if answered:
            return "single category" if answered == 1 else "several"
        return "mixed" if bool((self.rate[place] >= LEAST_RATE).any()) else "none"

    def best(self, place: int) -> str:
        """The category it answers to most clearly, of those it answers to; empty for none."""
        answered = self.answers[place]
        return self.names[int(np.where(answered, self.area[place], -1).argmax())] if answered.any() else ""

    def frame(self) -> pd.DataFrame:
        """One row a feature and category: feature, category, rate, lift, area, p, q, answers, fires."""
        features = np.repeat([str(feature) for feature in self.features], len(self.names))
        columns = {"feature": features, "category": np.tile(self.names, len(self.features))}
        arrays = ("rate", "lift", "area", "p", "q", "answers", "fires")
        return pd.DataFrame(columns | {name: getattr(self, name).reshape(-1) for name in arrays})


def categorise(firing: Firing, prompts: Labelled, features: Sequence[Feature] | None = None) -> CategoryTests:
    """firing: of the list's texts, then of its contrast prompts. features: all that fire when None.

    Without contrast prompts each category is compared with the others. Raises InputError for an unknown feature.
    """
    chosen = firing.features if features is None else tuple(features)
    names, of = prompts.names, np.array(prompts.categories)
    n, against = len(of), len(prompts.contrast) > 0
    shape = (len(chosen), len(names))
    rate, area, p = np.zeros(shape), np.full(shape, 0.5), np.ones(shape)
    fires, active = np.zeros(shape, dtype=bool), np.zeros(len(chosen), dtype=bool)
    everywhere, contrast = np.zeros(len(chosen)), np.full(len(chosen), np.nan)
    for start in range(0, len(chosen), _AT_ONCE):
        here = slice(start, start + _AT_ONCE)
        own, anywhere = firing.own(chosen[here]).astype(np.float64), firing.anywhere(chosen[here])
        everywhere[here], active[here] = (own[:n] > 0).mean(0), (anywhere > 0).any(0)
        if against:
            contrast[here] = (own[n:] > 0).mean(0)
        for column, name in enumerate(names):
            inside = np.flatnonzero(of == name)
            outside = np.arange(n, len(own)) if against else np.flatnonzero(of != name)
            rate[here, column] = (own[inside] > 0).mean(0)
            fires[here, column] = (anywhere[inside] > 0).any(0)
            area[here, column], p[here, column] = _compared(own[inside], own[outside])
    with np.errstate(invalid="ignore", divide="ignore"):
        lift = np.where(everywhere[:, None] > 0, rate / everywhere[:, None], np.nan)
    q = np.ones(shape)
    if p[active].size:
        q[active] = false_discovery_control(p[active], axis=None).reshape(-1, len(names))
    sizes = tuple(prompts.categories.count(name) for name in names)
    told = CONTRAST if against else OTHERS
    against_n = len(prompts.contrast)
    return CategoryTests(chosen, names, sizes, rate, lift, area, p, q, fires, contrast, active, told, against_n)


def _compared(inside: np.ndarray, outside: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(area, one-sided p) of every column of float64 [prompts, features] in a category and outside it."""
    area, p = np.full(inside.shape[1], 0.5), np.ones(inside.shape[1])
    moving = np.flatnonzero((inside > 0).any(0) | (outside > 0).any(0))  # one that is always 0 has no ranks
    if len(moving) and len(outside):
        found = mannwhitneyu(inside[:, moving], outside[:, moving], alternative="greater", method="asymptotic")
        area[moving] = found.statistic / (len(inside) * len(outside))
        p[moving] = np.nan_to_num(found.pvalue, nan=1.0)  # the same value everywhere
    return area, p
