"""Half-precision matrix products on processors without half-precision units, done in float32.

Such a CPU multiplies bfloat16 several times slower than float32 (measured in docs/log.md). Inside a measured forward, a
linear layer that gets several tokens at once is computed in float32, its weights upcast a few rows at a time: as fast
as float32 weights would be, rounded less, and with no copy of the matrix in memory. Outside measure and generate the
model stays the plain one, but for a training that asks for the same. Knows nothing of edits.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from core.forward.passes import in_pass

#: From this many tokens on, upcasting weights costs less than it saves.
TOKENS = 8
#: Rows of a weight matrix upcast at a time: a few megabytes, so that they are multiplied while still in the cache.
ROWS = 256
_WANTED: ContextVar[bool] = ContextVar("hydrascope_float32_products", default=False)


@contextmanager
def float32_products() -> Iterator[None]:
    """Let the calling thread have them outside a measured forward too, where the model has them at all."""
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)


def helps(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this device multiplies `dtype` slower than float32: an x86 CPU below AVX-512."""
    slow = torch.backends.cpu.get_cpu_capability() in ("AVX2", "DEFAULT")
    return device.type == "cpu" and dtype in (torch.bfloat16, torch.float16) and slow


def install_float32_products(model: Any) -> None:
    """Let every linear layer choose by the number of tokens it gets."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _forward(module: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    tokens = x.numel() // x.shape[-1]
    if tokens < TOKENS or not (in_pass() or _WANTED.get()):
        return linear(x, module.weight, module.bias)
    wide, found = x.reshape(tokens, -1).float(), torch.empty(tokens, module.out_features)
    some = torch.empty(min(ROWS, module.out_features), module.in_features)
    for start in range(0, module.out_features, ROWS):
        rows = some[: module.out_features - start]
        rows.copy_(module.weight[start : start + ROWS])
        torch.mm(wide, rows.T, out=found[:, start : start + ROWS])
    if module.bias is not None:
        found += module.bias
    return found.to(x.dtype).reshape(*x.shape[:-1], -1)
