"""What the factorization machine sees of a prompt: SAE activations at its last tokens (paper, appendix).

Knows: activity frames, sparse rows, column numbers. Does not know: training. A column is one feature; its value is the
largest activation over the last tokens, divided by that column's largest in all rows. The paper records raw
activations; without the division the layer with the largest norms decides, as one learning rate serves every column.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.discovery.stage3_factorization import SparseRows
from core.edits.edits import Feature
from core.engine import Engine

#: Wider than any SAE, so that layer and index fit one number.
_WIDTH = 1 << 24


@dataclass(frozen=True)
class MachineRows:
    """rows: one a prompt; labels: int64 [rows], 1 = harmful. Columns as `column_of` numbers them."""

    rows: SparseRows
    labels: np.ndarray


def column_of(feature: Feature) -> int:
    """The column of a feature."""
    return feature.layer * _WIDTH + feature.index


def feature_of(column: int) -> Feature:
    """The other way round."""
    return Feature(*divmod(column, _WIDTH))


def collect(engine: Engine, texts: Sequence[str], harmful: int, layers: Sequence[int], last: int) -> MachineRows:
    """The first `harmful` texts are labelled 1, the others 0. Memory grows with the activations found."""
    seen = engine.activity(texts, layers, last)
    column = seen["layer"].to_numpy(np.int64) * _WIDTH + seen["index"].to_numpy(np.int64)
    strongest = seen.assign(column=column).groupby(["prompt", "column"], sort=True)["activation"].max().reset_index()
    offset = np.searchsorted(strongest["prompt"].to_numpy(), np.arange(len(texts) + 1))
    columns, value = strongest["column"].to_numpy(np.int64), strongest["activation"].to_numpy(np.float32)
    _, place = np.unique(columns, return_inverse=True)
    largest = np.zeros(place.max(initial=-1) + 1, dtype=np.float32)
    np.maximum.at(largest, place, value)
    labels = (np.arange(len(texts)) < harmful).astype(np.int64)
    return MachineRows(SparseRows(offset.astype(np.int64), columns, value / largest[place]), labels)
