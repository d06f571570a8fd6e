"""SAE dictionaries on disk, one feature a record, so that any few features are a few small reads.

Knows: records and what is computed from them. Does not know: how records are made, models, edits, devices. The columns
an edit names are read through a memory map, and the whole dictionary never is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from core.errors import AssetError, InputError
from core.progress import NEVER
from core.saes.formats.open import Columns, SaeFile, open_sae
from core.saes.packed import header_of, pack, records_path


class Encoders(NamedTuple):
    """The reading half of n features, float32 on the CPU: encoder [n, d_model], bias [n], threshold [n]."""

    encoder: torch.Tensor
    bias: torch.Tensor
    threshold: torch.Tensor


@dataclass(frozen=True)
class Dictionary:
    """One SAE at `resid_post` of `layer`, memory-mapped: d_sae records of 2·d_model + 2 numbers of `dtype`."""

    layer: int
    d_model: int
    d_sae: int
    name: str
    path: Path
    output_bias: torch.Tensor  # b_dec, float32 [d_model]
    subtracts_bias: bool  # whether b_dec is subtracted from the input (SAELens: apply_b_dec_to_input)
    dtype: str = "float32"  # of the records on disk; what is read is always float32
    hook: str = ""  # where it reads, as SAELens names it; empty where its files do not say

    def _records(self) -> np.memmap:
        # Copy on write: torch takes no read-only array, and nothing written there could reach the file.
        return np.memmap(self.path, dtype=np.dtype(self.dtype), mode="c", shape=(self.d_sae, 2 * self.d_model + 2))

    def columns(self, indices: list[int] | np.ndarray) -> Columns:
        """Read the records of `indices` only. Raises InputError for an index outside the dictionary."""
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= self.d_sae):
            bad = int(wanted[(wanted < 0) | (wanted >= self.d_sae)][0])
            raise InputError(
                f"Feature {self.layer}-{bad} does not exist: the SAE of layer {self.layer} has {self.d_sae} features "
                f"(0 to {self.d_sae - 1})."
            )
        self._ask_for(wanted)
        return self._split(np.asarray(self._records()[wanted]))  # indexing by a list copies out of the map

    def encoders(self, start: int, stop: int) -> Encoders:
        """The reading half of the features from `start` to before `stop`, or to the last."""
        some, d = self._records()[start:stop], self.d_model
        return Encoders(*map(_float32, (some[:, :d], some[:, 2 * d], some[:, 2 * d + 1])))

    def decoders(self, indices: np.ndarray | slice) -> torch.Tensor:
        """float32 [n, d_model]: the decoder rows of `indices` alone, which must be inside the dictionary."""
        if isinstance(indices, np.ndarray):
            self._ask_for(indices)
        return _float32(self._records()[indices, self.d_model : 2 * self.d_model])

    def _ask_for(self, indices: np.ndarray) -> None:
        """Have the system fetch these records, all at a time: a map would fetch one after the other, each when it is
        touched, and what lies around it too (140 times as long for 200 of them from a cold disk: docs/log.md). Of many
        records that is right as it is.
        """
        if not hasattr(os, "posix_fadvise") or len(indices) > self.d_sae // 8:
            return
        size = np.dtype(self.dtype).itemsize * (2 * self.d_model + 2)
        file = os.open(self.path, os.O_RDONLY)
        try:
            for index in indices.tolist():
                os.posix_fadvise(file, index * size, size, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)

    @property
    def input_bias(self) -> torch.Tensor | None:
        return self.output_bias if self.subtracts_bias else None

    def _split(self, records: np.ndarray) -> Columns:
        # torch casts half precision many times faster than NumPy does.
        tensor, d = torch.from_numpy(records), self.d_model
        parts = tensor[:, :d], tensor[:, d : 2 * d], tensor[:, 2 * d], tensor[:, 2 * d + 1]
        return Columns(*(part.float() for part in parts))


def _float32(records: np.ndarray) -> torch.Tensor:
    """A contiguous copy in memory; torch turns half precision into single several times faster than numpy does."""
    return torch.from_numpy(records).to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def preactivations(x: torch.Tensor, columns: Columns | Encoders, input_bias: torch.Tensor | None) -> torch.Tensor:
    """What is compared with the threshold: float32 [..., n] of residuals x float32 [..., d_model]."""
    if input_bias is not None:
        x = x - input_bias
    return torch.nn.functional.linear(x, columns.encoder, columns.bias)


def activations(x: torch.Tensor, columns: Columns | Encoders, input_bias: torch.Tensor | None) -> torch.Tensor:
    """Feature activations float32 [..., n] of residuals x float32 [..., d_model]; exactly SAELens's JumpReLU."""
    pre = preactivations(x, columns, input_bias)
    return torch.relu(pre) * (pre > columns.threshold)


def open_dictionary(
    folder: Path, layer: int, share: Callable[[float], None] = lambda done: None, cancelled: Callable[[], bool] = NEVER
) -> Dictionary:
    """Open a SAELens folder (cfg.json and sae_weights.safetensors), packing it on first use.

    share: called with the share of the packing that is done. Raises AssetError, Cancelled.
    """
    source = partial(open_sae, "sae_lens", folder)
    return read_records(_identity(folder), layer, folder.name, source, share, cancelled)


def unpacked_bytes(folder: Path) -> int:
    """Bytes of the records that opening this SAELens folder would write first; 0 where they are there.

    Raises AssetError.
    """
    if header_of(_identity(folder)) is not None:
        return 0
    source = open_sae("sae_lens", folder)
    return source.d_sae * (2 * source.d_model + 2) * np.dtype(source.dtype).itemsize


def _identity(folder: Path) -> dict[str, Any]:
    """What the records of a folder are known by. Raises AssetError where no SAE lies in it."""
    weights = folder / "sae_weights.safetensors"
    if not weights.is_file() or not (folder / "cfg.json").is_file():
        raise AssetError(
            f"No SAE lies in {folder}; it needs cfg.json and sae_weights.safetensors as SAELens saves them."
        )
    return {
        "name": str(folder.resolve()),
        "size": weights.stat().st_size,
        "mtime_ns": weights.stat().st_mtime_ns,
        "config": (folder / "cfg.json").read_text(),
    }


def read_records(
    identity: Mapping[str, Any],
    layer: int,
    name: str,
    open_source: Callable[[], SaeFile],
    share: Callable[[float], None] = lambda done: None,
    cancelled: Callable[[], bool] = NEVER,
) -> Dictionary:
    """The dictionary of a source, from its records, packed first where there are none. Raises AssetError, Cancelled."""
    header = header_of(identity) or pack(open_source, identity, share, cancelled)
    bias = torch.tensor(header["output_bias"], dtype=torch.float32)
    return Dictionary(
        layer,
        header["d_model"],
        header["d_sae"],
        name,
        records_path(identity),
        bias,
        header["subtracts_bias"],
        header["dtype"],
        header["hook"],
    )
