"""Stage 3: a second-order factorization machine over sparse features (paper, Eq. 2; Rendle 2010).

Knows: sparse rows, labels, embeddings. Does not know: SAEs, prompts or models.

ŷ(x) = w₀ + Σ wᵢxᵢ + Σ_{i<j} ⟨vᵢ,vⱼ⟩ xᵢxⱼ, the last sum by Rendle's identity ½ Σ_f ((Σ vᵢ_f xᵢ)² − Σ vᵢ_f² xᵢ²). Only
columns that are somewhere non-zero get parameters, because no other can get a gradient; memory grows with the
non-zeros, whatever the width of the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import betainc
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, embedding

EMBEDDING_SIZES = (5, 20, 50)


@dataclass(frozen=True)
class SparseRows:
    """Rows of non-zero entries. offset int64 [rows + 1]; column int64 [non-zeros]; value float32 [non-zeros]."""

    offset: np.ndarray
    column: np.ndarray
    value: np.ndarray

    def __len__(self) -> int:
        return len(self.offset) - 1

    def take(self, rows: np.ndarray) -> SparseRows:
        """The rows asked for, in that order."""
        lengths = np.diff(self.offset)[rows]
        offset = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offset[-1]) - np.repeat(offset[:-1], lengths) + np.repeat(self.offset[rows], lengths)
        return SparseRows(offset, self.column[at], self.value[at])

    @classmethod
    def from_lists(cls, rows: Sequence[tuple[Sequence[int], Sequence[float]]]) -> SparseRows:
        """From (columns, values) a row."""
        offset = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])]).astype(np.int64)
        column = np.fromiter((c for columns, _ in rows for c in columns), np.int64, count=offset[-1])
        value = np.fromiter((v for _, values in rows for v in values), np.float32, count=offset[-1])
        return cls(offset, column, value)


class FactorizationMachine(nn.Module):
    """Eq. 2 over `columns` columns with embeddings of `size`. Initial embeddings are normal with sd 0.01 (Rendle).

    With a size of 0 the pairs fall away and what is left is the paper's linear probe.
    """

    def __init__(self, columns: int, size: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.bias = nn.Parameter(torch.zeros(()))
        self.weight = nn.Parameter(torch.zeros(columns))
        self.embedding = nn.Parameter(torch.randn(columns, size, generator=generator) * 0.01)

    def forward(self, rows: SparseRows) -> torch.Tensor:
        """float32 [rows]: log-odds that the prompt is harmful."""
        device, n = self.bias.device, len(rows)
        column = torch.from_numpy(rows.column).to(device)
        value = torch.from_numpy(rows.value).to(device)
        row = torch.from_numpy(np.repeat(np.arange(n), np.diff(rows.offset))).to(device)
        linear = torch.zeros(n, device=device).index_add(0, row, self.weight[column] * value)
        if self.embedding.shape[1] == 0:
            return self.bias + linear
        # Only the batch's own embeddings are gathered, so a step costs what its non-zeros do.
        each = embedding(column, self.embedding) * value[:, None]
        summed = torch.zeros(n, each.shape[1], device=device).index_add(0, row, each)
        squares = torch.zeros(n, device=device).index_add(0, row, (each**2).sum(-1))
        return self.bias + linear + 0.5 * ((summed**2).sum(-1) - squares)


@dataclass(frozen=True)
class Epoch:
    """Mean training loss (nats) and validation loss and accuracy after one epoch."""

    training_loss: float
    validation_loss: float
    validation_accuracy: float


@dataclass(frozen=True)
class Fitted:
    """A trained machine over the columns that occur. Embedding row r belongs to column `columns[r]` of the vocabulary.

    score: float32 [test rows], log-odds on the test rows; curve: one entry an epoch; best: the epoch that was kept;
    moved: median cosine of the embeddings to where they began, NaN without any.
    """

    columns: np.ndarray
    bias: float
    weight: np.ndarray
    embedding: np.ndarray
    curve: tuple[Epoch, ...]
    best: int
    score: np.ndarray
    moved: float


@dataclass(frozen=True)
class Split:
    """Row numbers of the three parts."""

    training: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split_rows(labels: np.ndarray, seed: int, shares: tuple[float, float] = (0.8, 0.1)) -> Split:
    """80/10/10, the same shares of each label, in an order drawn from `seed`."""
    rng, parts = np.random.default_rng(seed), ([], [], [])  # type: ignore[var-annotated]
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        first, second = round(shares[0] * len(rows)), round((shares[0] + shares[1]) * len(rows))
        for part, some in zip(parts, np.split(rows, [first, second]), strict=True):
            part.append(some)
    return Split(*(rng.permutation(np.concatenate(part)) for part in parts))


def fit(
    rows: SparseRows,
    labels: np.ndarray,
    split: Split,
    size: int = 20,
    epochs: int = 20,
    learning_rate: float = 1e-3,
    batch: int = 32,
    seed: int = 0,
    patience: int = 0,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> Fitted:
    """Train with Adam on the logistic loss; keep the epoch with the best validation accuracy, then loss (paper).

    labels: 0 or 1 [rows]. The columns are those with a non-zero in the training part: no other learns anything.
    patience: training ends early after so many epochs without a lower validation loss; 0 goes through all epochs.
    """
    columns = np.unique(rows.take(split.training).column)
    rows = _known(rows, columns)
    machine = FactorizationMachine(len(columns), size, seed)
    start = machine.embedding.detach().numpy().copy()
    optimizer = torch.optim.Adam(machine.parameters(), lr=learning_rate, fused=True)
    target, rng = torch.from_numpy(labels.astype(np.float32)), np.random.default_rng(seed)
    validation, curve, best, state = rows.take(split.validation), [], -1, {}
    for epoch in range(epochs):
        order, total = rng.permutation(split.training), 0.0
        for at in range(0, len(order), batch):
            part = order[at : at + batch]
            optimizer.zero_grad()
            loss = binary_cross_entropy_with_logits(machine(rows.take(part)), target[part])
            loss.backward()
            optimizer.step()
            total += float(loss.detach()) * len(part)
        with torch.inference_mode():
            score = machine(validation)
            held_out = float(binary_cross_entropy_with_logits(score, target[split.validation]))
            accuracy = float(((score > 0) == (target[split.validation] > 0)).float().mean())
        curve.append(Epoch(total / len(order), held_out, accuracy))
        if best < 0 or (accuracy, -held_out) > (curve[best].validation_accuracy, -curve[best].validation_loss):
            best, state = epoch, {k: v.detach().clone() for k, v in machine.state_dict().items()}
        progress(epoch + 1, epochs)
        if patience and _waited(curve) >= patience:
            break
    machine.load_state_dict(state)
    with torch.inference_mode():
        score = machine(rows.take(split.test)).numpy()
    end = state["embedding"].numpy()
    moved = float(np.median(_cosines(start, end))) if size else float("nan")
    return Fitted(columns, float(state["bias"]), state["weight"].numpy(), end, tuple(curve), best, score, moved)


def _waited(curve: Sequence[Epoch]) -> int:
    """Epochs since the validation loss was lowest."""
    return len(curve) - 1 - int(np.argmin([epoch.validation_loss for epoch in curve]))


def _cosines(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """float64 [rows]: of each row with the row of the same number."""
    lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return (one.astype(np.float64) * other).sum(-1) / np.maximum(lengths, 1e-12)


def _known(rows: SparseRows, columns: np.ndarray) -> SparseRows:
    """The entries in `columns` only (sorted), numbered by their place there."""
    place = np.searchsorted(columns, rows.column)
    keep = np.flatnonzero(columns[np.minimum(place, len(columns) - 1)] == rows.column)
    offset = np.searchsorted(keep, rows.offset)
    return SparseRows(offset, place[keep], rows.value[keep])


def similar_embeddings(embedding: np.ndarray, pairs: int = 100_000, seed: int = 0) -> np.ndarray:
    """Cosines of random pairs of embeddings, float64 [pairs]. Nearly all above 0.9: the size is too small (paper)."""
    rng, n = np.random.default_rng(seed), len(embedding)
    one, step = rng.integers(n, size=pairs), rng.integers(1, max(2, n), size=pairs)
    unit = embedding / np.maximum(np.linalg.norm(embedding, axis=1, keepdims=True), 1e-12)
    return (unit[one].astype(np.float64) * unit[(one + step) % n]).sum(-1)


def alike_by_chance(size: int, least: float = 0.9) -> float:
    """The share of pairs of random directions in `size` dimensions whose cosine is above `least`."""
    return float(betainc((size - 1) / 2, 0.5, 1 - least**2)) / 2 if size > 1 else 0.5


def nearest(fitted: Fitted, to: Sequence[int], most: int, nearness: str = "highest") -> np.ndarray:
    """Columns not in `to`, nearest first, by the cosine of their embedding to those of the columns in `to` (paper).

    int64 [≤ most]. nearness: their “highest” cosine to any of them, or their “mean” cosine to all. Columns of `to` that
    never occurred have no embedding and are passed over.
    """
    unit = fitted.embedding / np.maximum(np.linalg.norm(fitted.embedding, axis=1, keepdims=True), 1e-12)
    known = np.isin(fitted.columns, np.asarray(to, dtype=np.int64))
    if not known.any() or known.all():
        return np.empty(0, dtype=np.int64)
    others = np.flatnonzero(~known)
    if nearness == "mean":
        best = unit[others] @ unit[known].mean(0)
    else:
        best = np.full(len(others), -np.inf, dtype=np.float32)
        for start in range(0, int(known.sum()), 512):  # a block of Stage-2 embeddings at a time: memory stays small
            best = np.maximum(best, (unit[others] @ unit[known][start : start + 512].T).max(-1))
    return fitted.columns[others[np.argsort(-best, kind="stable")][:most]]
