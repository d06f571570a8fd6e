"""Large half-precision matrix products on processors without half-precision units, done in float32.

Such a CPU multiplies bfloat16 several times slower than float32 (measured in docs/log.md). Inside a measured forward, a
linear layer that gets many tokens at once is computed in float32 from weights upcast on the fly: faster and rounded
less. Outside measure and generate the model stays the plain one. Knows nothing of edits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from core.hooks import in_pass

#: From this many tokens on, upcasting a layer's weights costs less than it saves.
TOKENS = 64


def helps(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether this device multiplies `dtype` slower than float32: an x86 CPU below AVX-512."""
    slow = torch.backends.cpu.get_cpu_capability() in ("AVX2", "DEFAULT")
    return device.type == "cpu" and dtype in (torch.bfloat16, torch.float16) and slow


def install(model: Any) -> None:
    """Let every linear layer but the language-model head choose by the number of tokens it gets."""
    head = model.get_output_embeddings()
    for module in model.modules():
        if isinstance(module, nn.Linear) and module is not head:
            module.forward = partial(_forward, module)  # type: ignore[method-assign]


def _forward(module: nn.Linear, x: torch.Tensor) -> torch.Tensor:
    if x.numel() // x.shape[-1] < TOKENS or not in_pass():
        return linear(x, module.weight, module.bias)
    bias = None if module.bias is None else module.bias.float()
    return linear(x.float(), module.weight.float(), bias).to(x.dtype)
