"""SAEs stored at a quarter of their size: encoder and decoder as int8 with one float32 scale for each feature's row.

Knows: the file's tensors, and that weight = int8 · scale, in float32, is exact: every machine reads the same weights.
Does not know: how an SAE was trained. A quality card is measured on what is read back, so it speaks of these weights.

    encoder [d_sae, d_model] int8, encoder_scale [d_sae] float32     decoder, decoder_scale: the same
    b_enc [d_sae], threshold [d_sae], b_dec [d_model]: float32

The file has SAELens's name beside its cfg.json, but other names inside: SAELens refuses it and never misreads it.
`to_sae_lens` writes a folder that SAELens can open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from core.errors import AssetError
from core.hashes import sha256_of
from core.saes.columns import Columns
from core.saes.formats.normal_form import SaeFile, Tensors
from core.text.json_text import json_text, json_value

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
#: The tensor whose presence tells this storage from SAELens's.
SIGN = "encoder_scale"
#: In cfg.json: the hash of the weights that were written with it. Files of earlier versions have none.
HASH = "weights_sha256"
_STEPS = 127


def quantise(rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(int8 [n, d], float32 scales [n]) of float32 rows [n, d]; the largest entry of each row becomes ±127.

    A row of zeros has scale 0. Raises AssetError for entries that are not finite.
    """
    rows = rows.float()
    if not bool(torch.isfinite(rows).all()):
        raise AssetError("The SAE has weights that are not finite, so it cannot be stored. Train it again.")
    scale = rows.abs().amax(dim=1) / _STEPS
    steps = torch.where(scale[:, None] > 0, rows / scale[:, None], torch.zeros_like(rows))
    return steps.round().clamp(-_STEPS, _STEPS).to(torch.int8), scale


def dequantise(steps: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """float32 [n, d], exactly steps · scale."""
    return steps.float() * scale[:, None].float()


def quantised_columns(columns: Columns) -> dict[str, torch.Tensor]:
    """What the file holds of these features, by name."""
    encoder, encoder_scale = quantise(columns.encoder)
    decoder, decoder_scale = quantise(columns.decoder)
    return {
        "encoder": encoder,
        "encoder_scale": encoder_scale,
        "decoder": decoder,
        "decoder_scale": decoder_scale,
        "b_enc": columns.bias.float().contiguous(),
        "threshold": columns.threshold.float().contiguous(),
    }


def save_int8(folder: Path, columns: Columns, output_bias: torch.Tensor, config: dict[str, Any]) -> None:
    """Write a whole SAE into `folder`. config: SAELens's cfg.json of it. Raises AssetError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = quantised_columns(columns) | {"b_dec": output_bias.float().contiguous()}
    save_file({name: tensor.cpu().contiguous() for name, tensor in tensors.items()}, folder / WEIGHTS)
    said = config | {"storage": "int8", HASH: sha256_of(folder / WEIGHTS)}
    (folder / CONFIG).write_text(json_text(said, indent=1) + "\n", encoding="utf-8")


def check_weights(folder: Path) -> None:
    """Raises ValueError where the weights are not those that were written with their configuration."""
    expected = json_value((folder / CONFIG).read_text(encoding="utf-8")).get(HASH)
    if expected is not None and sha256_of(folder / WEIGHTS) != expected:
        raise ValueError(f"{WEIGHTS} is not what was written")


def shrink(source: Path, target: Path) -> None:
    """Store the SAE of a SAELens folder as int8 in `target`. Raises AssetError."""
    # Imported here: the opener imports this module.
    from core.saes.formats.open import open_sae

    found = open_sae("sae_lens", source)
    config = json_value((source / CONFIG).read_text(encoding="utf-8"))
    save_int8(target, found.block(0, found.d_sae), found.output_bias, config)


def to_sae_lens(source: Path, target: Path) -> None:
    """Write an int8 SAE as SAELens saves one, in float32, with the same weights. Raises AssetError."""
    config = json_value((source / CONFIG).read_text(encoding="utf-8"))
    config.pop(HASH, None)
    if config.pop("storage", None) != "int8":
        raise AssetError(f"The SAE in {source} is not stored as int8. Open it with SAELens.")
    stored = load_file(source / WEIGHTS)
    target.mkdir(parents=True, exist_ok=True)
    weights = {
        "W_enc": dequantise(stored["encoder"], stored["encoder_scale"]).T.contiguous(),
        "W_dec": dequantise(stored["decoder"], stored["decoder_scale"]),
        **{name: stored[name] for name in ("b_enc", "b_dec")},
    }
    if config.get("architecture") == "jumprelu":  # of other architectures SAELens refuses thresholds, which are 0 there
        weights["threshold"] = stored["threshold"]
    save_file(weights, target / WEIGHTS)
    (target / CONFIG).write_text(json_text(config, indent=1) + "\n", encoding="utf-8")


def int8_file(file: Tensors, subtracts_bias: bool, hook: str) -> SaeFile:
    """The normal form of the tensors above, read block by block.

    Raises KeyError for a tensor that is missing, ValueError for shapes that contradict each other.
    """
    d_sae, d_model = file.shape("encoder")
    expected = {
        "decoder": (d_sae, d_model),
        "encoder_scale": (d_sae,),
        "decoder_scale": (d_sae,),
        "b_enc": (d_sae,),
        "threshold": (d_sae,),
        "b_dec": (d_model,),
    }
    for name, shape in expected.items():
        if file.shape(name) != shape:
            raise ValueError(f"{name} has shape {file.shape(name)} instead of {shape}")

    def block(start: int, stop: int) -> Columns:
        some = slice(start, min(stop, d_sae))
        return Columns(
            dequantise(file.part("encoder", some), file.part("encoder_scale", some)),
            dequantise(file.part("decoder", some), file.part("decoder_scale", some)),
            file.part("b_enc", some),
            file.part("threshold", some),
        )

    return SaeFile(d_model, d_sae, file.part("b_dec"), subtracts_bias, "float32", hook, block)
