"""What an engine computes with, whatever it is called: digests of the files of its model and of its SAEs.

Knows: a model's files of weights, configuration, tokenizer and chat template, its adapter, records of SAEs. Does not
know: names, which stay the same when other files are put into a folder.
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

#: Files beside the weights on which numbers depend: configuration, tokenizer, chat template, stop tokens.
BESIDE = (
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
    "adapter_config.json",
)
#: Parts of a file of weights that its digest reads, and bytes of each: files of gigabytes take well under a second.
PARTS, PART_BYTES = 64, 2**18


class Digests(NamedTuple):
    """weights: `model_digest`. saes: layer → `records_digest`, by layer."""

    weights: str
    saes: Mapping[int, str]

    @property
    def sae_text(self) -> str:
        """“layer:digest” of each SAE, comma-separated: as stores keep it."""
        return ",".join(f"{layer}:{digest}" for layer, digest in self.saes.items())


def sae_digests(dictionaries: Mapping[int, Dictionary]) -> dict[int, str]:
    """layer → digest of what its records hold, by layer. Raises AssetError."""
    return {layer: records_digest(one.path) for layer, one in sorted(dictionaries.items())}


def model_digest(folder: Path, spec: ModelSpec) -> str:
    """16 hex digits over the weights in a model's folder, what they are read with (`BESIDE`), and its adapter. Of a
    large file, its size and `PARTS` evenly spaced parts are read, so a change of a few single weights can be missed.
    """
    files = [
        path
        for one in filter(None, (folder, spec.adapter))
        for path in (*sorted(one.glob("*.safetensors")), *(one / name for name in BESIDE), *_templates(one))
        if path.is_file()
    ]
    stated = [(path, path.stat()) for path in files]
    return _sampled(tuple((path, stat.st_size, stat.st_mtime_ns) for path, stat in stated)) if files else ""


def _templates(folder: Path) -> list[Path]:
    """Further chat templates, which transformers keeps in a folder of their own."""
    return sorted((folder / "additional_chat_templates").glob("*.jinja"))


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
