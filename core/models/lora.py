"""Merging a LoRA adapter into a model's weights at load: W + (alpha / rank) · B·A.

Knows: PEFT's file layout. Does not know training; users need no peft.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from core.errors import AssetError
from core.schemas.weights import AdapterConfig
from core.shaped import read
from core.shipped_files import check_shipped
from core.text.reasons import reason_of


@torch.no_grad()
def merge_adapter(model: nn.Module, folder: Path) -> None:
    """Add the adapter in `folder` to the weights of `model`, in float32 on the CPU, in place. Raises AssetError."""
    check_shipped(folder / "adapter_config.json", folder / "adapter_model.safetensors")
    try:
        config = read(AdapterConfig, folder / "adapter_config.json")
        tensors = load_file(folder / "adapter_model.safetensors")
    except Exception as error:
        raise AssetError(
            f"The adapter in {folder.name} cannot be read ({reason_of(error)}). Restore its files."
        ) from error
    scale, beyond = config.lora_alpha / config.r, config.beyond_plain
    beyond += [key for key in tensors if not key.endswith((".lora_A.weight", ".lora_B.weight"))]
    if beyond:
        raise AssetError(f"The adapter in {folder.name} is not plain LoRA ({beyond[0]}). Merge it with PEFT first.")
    if not tensors:
        raise AssetError(f"The adapter in {folder.name} has no LoRA weights. Restore its files.")
    for key, a in tensors.items():
        if key.endswith(".lora_A.weight"):
            name = key.removeprefix("base_model.model.").removesuffix(".lora_A.weight")
            try:
                weight = model.get_parameter(f"{name}.weight")
                b = tensors[key.replace(".lora_A.", ".lora_B.")]
                weight.add_(scale * (b.float() @ a.float()).to(weight))
            except (AttributeError, KeyError, RuntimeError) as error:
                raise AssetError(
                    f"The adapter in {folder.name} does not fit the model at {name} ({reason_of(error)}). Use the "
                    "adapter made for this model."
                ) from error
