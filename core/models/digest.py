"""What an engine computes with, whatever it is called: digests of the files of its weights and of its SAEs.

Knows: safetensors files of a model and of its adapter, records of SAEs. Does not know: names, which stay the same when
other files are put into a folder.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from core.models.spec import ModelSpec
from core.saes.dictionary import Dictionary
from core.saes.integrity import records_digest

#: Parts of a file of weights that its digest reads, and bytes of each: files of gigabytes take well under a second.
PARTS, PART_BYTES = 64, 2**18


class Digests(NamedTuple):
    """weights: `weights_digest`. saes: layer → `records_digest`, by layer."""

    weights: str
    saes: Mapping[int, str]

    @property
    def sae_text(self) -> str:
        """“layer:digest” of each SAE, comma-separated: as stores keep it."""
        return ",".join(f"{layer}:{digest}" for layer, digest in self.saes.items())


def sae_digests(dictionaries: Mapping[int, Dictionary]) -> dict[int, str]:
    """layer → digest of what its records hold, by layer. Raises AssetError."""
    return {layer: records_digest(one.path) for layer, one in sorted(dictionaries.items())}


def weights_digest(folder: Path, spec: ModelSpec) -> str:
    """16 hex digits over the safetensors files of a model's folder and of its adapter. Of a large file, its size and
    `PARTS` evenly spaced parts are read, so a change of a few single weights can be missed.
    """
    adapter = sorted(spec.adapter.glob("*.safetensors")) if spec.adapter else []
    files = [*sorted(folder.glob("*.safetensors")), *adapter]
    stated = [(path, path.stat()) for path in files]
    return _sampled(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stated)) if files else ""


@cache
def _sampled(files: tuple[tuple[Path, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, size, _ in files:
        total.update(f"{path.name} {size}\n".encode())
        with path.open("rb") as file:
            if size <= PARTS * PART_BYTES:
                total.update(file.read())
                continue
            for start in np.linspace(0, size - PART_BYTES, PARTS).astype(np.int64).tolist():
                file.seek(start)
                total.update(file.read(PART_BYTES))
    return total.hexdigest()[:16]
