"""SAEs in a folder of this machine, as SAELens saves them: opened from their records, which are packed on first use.

Knows: such folders. Does not know: published suites (`core.saes.published`), models.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from core.errors import AssetError
from core.progress import NEVER
from core.saes.dictionary import Dictionary
from core.saes.formats.config import unreadable
from core.saes.formats.normal_form import SaeFile
from core.saes.formats.open import open_sae
from core.saes.packed import header_of, read_records
from core.shipped_files import check_shipped


def open_dictionary(
    folder: Path,
    layer: int,
    share: Callable[[float], object] = lambda done: None,
    cancelled: Callable[[], bool] = NEVER,
) -> Dictionary:
    """Open a SAELens folder (cfg.json and sae_weights.safetensors), packing it on first use.

    share: called with the share of the packing that is done. Raises AssetError, Cancelled.
    """

    def source() -> SaeFile:
        check_shipped(folder / "cfg.json", folder / "sae_weights.safetensors")
        return open_sae("sae_lens", folder)

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
    """What the records of a folder are known by. Raises AssetError if it has no SAE."""
    weights = folder / "sae_weights.safetensors"
    if not weights.is_file() or not (folder / "cfg.json").is_file():
        raise AssetError(
            f"There is no SAE in {folder}. It needs cfg.json and sae_weights.safetensors, as SAELens saves them."
        )
    try:
        config = (folder / "cfg.json").read_text(encoding="utf-8")
    except ValueError as error:
        raise unreadable(folder, error) from error
    return {
        "name": str(folder.resolve()),
        "size": weights.stat().st_size,
        "mtime_ns": weights.stat().st_mtime_ns,
        "config": config,
    }
