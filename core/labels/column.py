"""The labels of one layer or source, held compactly and found by a feature's index.

Knows: indices and texts. Does not know: where labels come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa


class LabelColumn(NamedTuple):
    """The labels of one layer, compact: 65,000 of them take a few megabytes. indices: int64 [n], rising."""

    indices: np.ndarray
    texts: pa.StringArray

    @classmethod
    def of(cls, pairs: Iterable[tuple[int, str]]) -> LabelColumn:
        """From (index, label) pairs; of one index given twice, the later one counts."""
        ordered = sorted(dict(pairs).items())
        return cls(np.array([i for i, _ in ordered], dtype=np.int64), pa.array([t for _, t in ordered], pa.string()))

    def label(self, index: int) -> str:
        """The label of a feature, or an empty string."""
        place = int(np.searchsorted(self.indices, index))
        there = place < len(self.indices) and self.indices[place] == index
        return self.texts[place].as_py() if there else ""
