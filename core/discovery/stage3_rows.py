"""What the factorization machine sees of a prompt: SAE activations at its last tokens (paper, appendix).

Knows: activity frames, sparse rows, column numbers. Does not know: training. A column is one feature; its value is the
largest activation over the last tokens, then scaled (`scaled`). The paper records raw activations; without a scale the
layer with the largest norms decides, as one learning rate serves every column.
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
    """rows: one a prompt, unscaled; labels: int64 [rows], 1 = harmful. Columns as `column_of` numbers them."""

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
    labels = (np.arange(len(texts)) < harmful).astype(np.int64)
    return MachineRows(SparseRows(offset.astype(np.int64), columns, value), labels)


def scaled(rows: SparseRows, training: np.ndarray, scaling: str) -> SparseRows:
    """The rows with each column divided by its largest value.

    training: int64, the rows to train on. scaling: “training”, the largest in those rows, so that nothing of the rows
    to test on is known; a column that never fires there is left as it is, and learns nothing. “none”: as the paper
    records them. “all”: the largest in all rows, as runs of 0.1 did, which lets test rows into the training.
    """
    if scaling == "none":
        return rows
    columns, place = np.unique(rows.column, return_inverse=True)
    of_row = np.repeat(np.arange(len(rows)), np.diff(rows.offset))
    seen = np.isin(of_row, training) if scaling == "training" else np.ones(len(of_row), dtype=bool)
    largest = np.zeros(len(columns), dtype=np.float32)
    np.maximum.at(largest, place[seen], rows.value[seen])
    divisor = np.where(largest > 0, largest, np.float32(1))
    return SparseRows(rows.offset, rows.column, rows.value / divisor[place])
