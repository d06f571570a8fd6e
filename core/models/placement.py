"""A model spread over several devices by accelerate: where each of its parts computes, and weights that are not there.

Knows: the hooks that transformers' `device_map` puts on a model. Does not know: edits, passes. Hidden states of a layer
are on the device that the layer computes on. Weights given to “cpu” beside a GPU, or to “disk”, come to it for the
moment of their use and have no memory otherwise.
"""

from __future__ import annotations

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import align_module_device
from torch import nn

from core.errors import InputError
from core.paths import cache_folder


def layer_devices(layers: nn.ModuleList) -> tuple[torch.device, ...]:
    """For each decoder layer, where it computes. Raises InputError for one that is itself cut in pieces."""
    found = []
    for number, layer in enumerate(layers):
        devices = computes_on(layer)
        if len(devices) != 1:
            raise InputError(f"The device map cuts layer {number} in pieces; give each layer to one device.")
        found.append(devices.pop())
    return tuple(found)


def computes_on(module: nn.Module) -> set[torch.device]:
    """Every device that this module and what is in it compute on, as tensors there report it."""
    found = set()
    for part in module.modules():
        hook: Any = getattr(part, "_hf_hook", None)
        places = [getattr(one, "execution_device", None) for one in getattr(hook, "hooks", (hook,))]
        named = {torch.empty(0, device=place).device for place in places if place is not None}
        found |= named or {tensor.device for tensor in part.parameters(recurse=False)}
    return found


def on_device(module: nn.Module) -> AbstractContextManager[None]:
    """Inside it the module's own weights are where it computes, wherever they are kept; what was taken out stays."""
    return align_module_device(module)


def offload_folder(model: str, revision: str | None) -> Path:
    """Where weights of this model that cannot be read from its own files are written: in the cache folder."""
    return cache_folder() / "offload" / hashlib.sha256(f"{model} {revision}".encode()).hexdigest()[:16]
