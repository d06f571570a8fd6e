"""Columns of a dictionary in memory, and what is computed from them: pre-activations and activations.

Knows: tensors. Does not know: files, layers, models. Everything is float32, because JumpReLU thresholds flip in bf16.
"""

from __future__ import annotations

from typing import NamedTuple

import torch


class Columns(NamedTuple):
    """The parts of a dictionary that belong to n features, float32 on the CPU.

    encoder [n, d_model], decoder [n, d_model], bias [n], threshold [n].
    f = pre · (pre > threshold) · (pre > 0), pre = (x − input_bias) · encoder + bias (JumpReLU; threshold 0 is ReLU).
    """

    encoder: torch.Tensor
    decoder: torch.Tensor
    bias: torch.Tensor
    threshold: torch.Tensor


class Encoders(NamedTuple):
    """The reading half of n features, float32 on the CPU: encoder [n, d_model], bias [n], threshold [n]."""

    encoder: torch.Tensor
    bias: torch.Tensor
    threshold: torch.Tensor


def preactivations(x: torch.Tensor, columns: Columns | Encoders, input_bias: torch.Tensor | None) -> torch.Tensor:
    """What is compared with the threshold: float32 [..., n] of residuals x float32 [..., d_model]."""
    if input_bias is not None:
        x = x - input_bias
    return torch.nn.functional.linear(x, columns.encoder, columns.bias)


def activations(x: torch.Tensor, columns: Columns | Encoders, input_bias: torch.Tensor | None) -> torch.Tensor:
    """Feature activations float32 [..., n] of residuals x float32 [..., d_model]; exactly SAELens's JumpReLU."""
    return gated(preactivations(x, columns, input_bias), columns.threshold)


def gated(pre: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Activations of pre-activations, float32 of the same shape; threshold broadcasts against them."""
    return torch.relu(pre) * (pre > threshold)
