"""SAEs for the tiny model beside its own: the same in another order of features."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file


def permuted(source: Path, folder: Path, seed: int) -> Path:
    """Write the SAE in `source` into `folder` with its features in an order drawn from `seed`."""
    folder.mkdir(parents=True)
    shutil.copy(source / "cfg.json", folder)
    tensors = load_file(source / "sae_weights.safetensors")
    order = torch.randperm(len(tensors["b_enc"]), generator=torch.Generator().manual_seed(seed))
    tensors = {
        name: (t[:, order] if name == "W_enc" else t if name == "b_dec" else t[order]).contiguous()
        for name, t in tensors.items()
    }
    save_file(tensors, folder / "sae_weights.safetensors")
    return folder
