"""The refusal direction as a value, and how it is stored.

Knows: a unit vector, the layer and position it was read at, and the record of how it was chosen. Does not know
how it is computed (`direction_search.py`) or applied (`hooks.py`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

from core.errors import AssetError
from core.kept_files import write_whole
from core.shipped_files import check_shipped
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of


@dataclass(frozen=True, eq=False)
class Direction:
    """A refusal direction, compared and hashed by what it holds.

    layer: decoder layer whose `resid_post` it was read at. position: token position, counted from the end (-1 is
    the last). vector: float32 [d_model], unit length, on the CPU. norm: length of the raw difference of means.
    provenance: model, prompts' hash, rule, scores per layer under both rules, seed.
    """

    layer: int
    position: int
    vector: torch.Tensor
    norm: float
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """A short digest of vector, layer and position."""
        data = self.vector.detach().to("cpu", torch.float32).contiguous().numpy().tobytes()
        return hashlib.sha256(data + f"{self.layer}/{self.position}".encode()).hexdigest()[:16]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Direction) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def make_direction(
    raw: torch.Tensor, layer: int, position: int = -1, provenance: Mapping[str, Any] | None = None
) -> Direction:
    """Normalise a raw difference of means [d_model] (any float dtype; float64 kept for the division)."""
    raw = raw.detach().to("cpu", torch.float64)
    norm = float(raw.norm())
    return Direction(layer, position, (raw / max(norm, 1e-300)).to(torch.float32), norm, dict(provenance or {}))


def save_direction(direction: Direction, path: Path) -> None:
    """Write one safetensors file; the record goes into its metadata as JSON."""
    meta = {
        "layer": direction.layer,
        "position": direction.position,
        "norm": direction.norm,
        "provenance": direction.provenance,
        "key": direction.key,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors, said = {"vector": direction.vector.contiguous()}, {"direction": json_text(meta, sort_keys=True)}
    write_whole(path, lambda beside: save_file(tensors, beside, said))


def load_direction(path: Path) -> Direction:
    """Read what `save_direction` wrote. Raises AssetError, also for a vector that is not of finite numbers or not of
    length 1."""
    check_shipped(path)
    try:
        with safe_open(path, "pt") as file:
            meta = json_value(file.metadata()["direction"])
            found = Direction(
                meta["layer"], meta["position"], file.get_tensor("vector"), meta["norm"], meta["provenance"]
            )
        _check(found)
        if meta.get("key", found.key) != found.key:  # files of earlier versions have none
            raise ValueError("its vector is not the one that was written")
    except Exception as error:
        why = reason_of(error)
        raise AssetError(
            f"The refusal direction in {path.name} cannot be read ({why}). Compute it again, or restore the file."
        ) from error
    return found


def _check(found: Direction) -> None:
    """Raises ValueError for what is no direction."""
    vector = found.vector
    if vector.ndim != 1 or not vector.is_floating_point() or not vector.isfinite().all():
        raise ValueError("its vector is not a list of finite numbers")
    if abs(float(vector.double().norm()) - 1.0) > 0.01:
        raise ValueError(f"its vector has length {float(vector.double().norm()):.3g} instead of 1")
    if not isinstance(found.layer, int) or not isinstance(found.position, int):
        raise ValueError("its layer or position is no whole number")
