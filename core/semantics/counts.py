"""How many features answer to none, one, two … categories: the paper's Figure 3 and Table 12, with intervals.

Knows: tests of features against categories, and named groups of features. Does not know: how a group was chosen.
Both definitions stand side by side: the paper's, and the corrected one (`core.semantics.categories`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.edits.edits import Feature
from core.semantics.categories import CategoryTests
from core.statistics import rate

PAPER, CORRECTED = "the paper's", "corrected"


def counts(tests: CategoryTests, groups: Mapping[str, Sequence[Feature]], what: str = "") -> pd.DataFrame:
    """One row a group, definition and number of categories: features, of, share, low, high (Wilson).

    groups: name → features, all of which must be in `tests`; those that fire are counted. what: added to the name of
    each group.
    """
    rows = []
    for name, definition, answered in _each(tests, groups):
        numbers = answered.sum(1)
        for number in range(len(tests.names) + 1):
            found = rate(int((numbers == number).sum()), len(numbers))
            rows.append((f"{name}{what}", definition, number, *found))
    columns = ["group", "definition", "categories", "features", "of", "share", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def by_type(tests: CategoryTests, groups: Mapping[str, Sequence[Feature]]) -> pd.DataFrame:
    """Figure 3: features that answer to one category only, by category, and to 2, 3 … of them. The columns of `counts`,
    “type” instead of “categories”.
    """
    rows = []
    for name, definition, answered in _each(tests, groups):
        numbers = answered.sum(1)
        for column, category in enumerate(tests.names):
            alone = int((answered[:, column] & (numbers == 1)).sum())
            rows.append((name, definition, f"only {category}", *rate(alone, len(numbers))))
        for number in range(2, len(tests.names) + 1):
            rows.append((name, definition, f"{number} categories", *rate(int((numbers == number).sum()), len(numbers))))
    return pd.DataFrame(rows, columns=["group", "definition", "type", "features", "of", "share", "low", "high"])


def _each(tests: CategoryTests, groups: Mapping[str, Sequence[Feature]]) -> list[tuple[str, str, np.ndarray]]:
    """(group, definition, bool [features, categories]) of every group with features that fire, and of these alone: of
    the others nothing was tested."""
    place = {feature: number for number, feature in enumerate(tests.features)}
    found = []
    for name, features in groups.items():
        rows = [row for feature in features if tests.active[row := place[feature]]]
        if rows:
            found += [(name, PAPER, tests.fires[rows]), (name, CORRECTED, tests.answers[rows])]
    return found
