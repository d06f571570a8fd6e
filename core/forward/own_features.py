"""One layer's edit where every set names few of the features that all sets name together.

Knows: tables, columns, and which set and position group a token is of. Does not know: models, hooks, passes.
A dense product computes all features of the union for every token. Where the sets differ, most of that is thrown away;
here each token is multiplied by the columns that its own set asks for at its position, and by no others.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import torch

from core.saes.columns import Columns, gated

#: The dense product is kept below so many union features, and below so many times the most that one set asks for at a
#: token. From there on the sparse one is faster, or as fast, for one token a row as for many (docs/log.md), and takes
#: less memory, whichever sets a pass holds.
LEAST_UNION, LEAST_RATIO = 256, 8

# PyTorch says once a process that its CSR tensors may change; tests hold what is used of them.
warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta state")


class OwnFeatures(NamedTuple):
    """What each set asks for in each position group, one after the other: item `set · groups + group` of `starts`.

    starts: int64 [sets · groups + 1], where each one's features begin. column: int64 [n], places in the union, rising
    within one item. target: float32 [n]. strength: float32 [n], None where all are 1. groups: how many there are.
    """

    starts: torch.Tensor
    column: torch.Tensor
    target: torch.Tensor
    strength: torch.Tensor | None
    groups: int


def own_features(target: torch.Tensor, strength: torch.Tensor | None) -> OwnFeatures | None:
    """The tables of a LayerPlan (float32 [sets, groups, union], NaN = leave alone) without what is left alone.

    None where the dense product is as fast, or the two were not compared (on other devices than the CPU), or where this
    torch has no sparse product (it is MKL's).
    """
    groups, union = target.shape[1:]
    if target.device.type != "cpu" or union < LEAST_UNION or not torch.backends.mkl.is_available():
        return None
    asked = ~target.isnan()
    counts = asked.sum(-1)
    if union < LEAST_RATIO * int(counts.max()):
        return None
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), counts.flatten().cumsum(0)])
    power = None if strength is None else strength[asked]
    return OwnFeatures(starts, asked.nonzero()[:, 2], target[asked], power, groups)


def hold_own(
    x: torch.Tensor,
    own: OwnFeatures,
    sets: torch.Tensor,
    groups: torch.Tensor,
    columns: Columns,
    input_bias: torch.Tensor | None,
) -> torch.Tensor:
    """x float32 [rows, positions, d_model] with each token's own features held at their targets.

    sets: int64 [rows]. groups: int64 [rows, positions].
    """
    items = (sets[:, None] * own.groups + groups).flatten()
    counts = own.starts[items + 1] - own.starts[items]
    ends = counts.cumsum(0)
    starts = torch.cat([ends.new_zeros(1), ends])
    # Token after token, the places of its features in `own`.
    place = torch.arange(int(starts[-1])) + (own.starts[items] - starts[:-1]).repeat_interleave(counts)
    column = own.column[place]
    tokens = x.flatten(0, 1)
    read = tokens if input_bias is None else tokens - input_bias
    wanted = torch.sparse_csr_tensor(
        starts, column, columns.bias[column], (len(tokens), len(columns.bias)), check_invariants=False
    )
    pre = torch.sparse.sampled_addmm(wanted, read, columns.encoder.T).values()
    amount = own.target[place] - gated(pre, columns.threshold[column])
    if own.strength is not None:
        amount *= own.strength[place]
    written = torch.nn.functional.embedding_bag(
        column, columns.decoder, starts, mode="sum", per_sample_weights=amount, include_last_offset=True
    )
    return x + written.view_as(x)
