"""Merging a LoRA adapter into a model's weights at load: W + (alpha / rank) · B·A.

Knows: PEFT's file layout. Does not know training; users need no peft.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from core.errors import AssetError


@torch.no_grad()
def merge_adapter(model: nn.Module, folder: Path) -> None:
    """Add the adapter in `folder` to the weights of `model`, in float32 on the CPU, in place. Raises AssetError."""
    try:
        config = json.loads((folder / "adapter_config.json").read_text())
        tensors = load_file(folder / "adapter_model.safetensors")
    except Exception as error:
        raise AssetError(f"The adapter in {folder.name} cannot be read ({error}); restore its files.") from error
    scale = config["lora_alpha"] / config["r"]
    merged = 0
    for key, a in tensors.items():
        if not key.endswith(".lora_A.weight"):
            continue
        b = tensors[key.replace(".lora_A.", ".lora_B.")]
        name = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
        weight = model.get_submodule(name).weight
        weight += scale * (b.float() @ a.float()).to(weight)
        merged += 1
    if not merged:
        raise AssetError(f"The adapter in {folder.name} holds no LoRA weights; restore its files.")
