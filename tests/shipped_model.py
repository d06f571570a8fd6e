"""A GGUF model as it is with SAEs shipped for it: real name and layout, tiny weights. Fixtures included."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pandas as pd
import pytest
import torch

from core.edits.direction import make_direction, save_direction
from core.hashes import sha256_of
from core.models import registry
from core.models.gguf_folder import MARKER
from core.models.gguf_models import QWEN_CODER_1_5B
from core.paths import assets_folder, cache_folder
from core.saes.card import SaeCard
from core.saes.formats.int8 import shrink
from tests.conftest import D_MODEL, D_SAE, make_sae

NAME, LAYERS = QWEN_CODER_1_5B.name, (1, 3)


@pytest.fixture
def assets(tmp_path, monkeypatch) -> Path:
    """An assets folder of one's own in which the demo is the real one; nothing else is shipped."""
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "demo").symlink_to(assets_folder() / "demo")
    monkeypatch.setattr(registry, "assets_folder", lambda: folder)
    return folder


@pytest.fixture
def shipped(assets, tmp_path) -> Path:
    """The folder that is dropped in: int8 SAEs with their cards, labels, the direction."""
    folder = assets / NAME
    for layer in LAYERS:
        make_sae(tmp_path / f"float_{layer}", layer, subtract=True)
        place = folder / "saes" / f"layer_{layer:02d}"
        shrink(tmp_path / f"float_{layer}", place)
        card = SaeCard(layer, D_SAE, 12_000, 0.91, 30.0, 0.02, 0.97, (0.3, 0.5))
        words = asdict(card) | {"random": {"explained_variance": 0.3, "ce_recovered": 0.5}}
        (place / "card.json").write_text(json.dumps(words))
    rows = [(layer, index, f"about {layer}.{index}", 0.1, 3.0, "[]", "a") for layer in LAYERS for index in range(D_SAE)]
    columns = ["layer", "index", "label", "density", "max_activation", "contexts", "promoted"]
    pd.DataFrame(rows, columns=columns).to_parquet(folder / "labels.parquet")
    save_direction(make_direction(torch.ones(D_MODEL), 2, -1, {"rule": "paper"}), folder / "direction.safetensors")
    return folder


def put_weights_here(tiny_folder: Path) -> Path:
    """The tiny weights in the cache folder, as if they had been converted from the model's GGUF file."""
    folder = cache_folder() / "base" / NAME
    shutil.copytree(tiny_folder / "model", folder)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    made_with = f"transformers {importlib.metadata.version('transformers')}"
    marker = {"gguf_sha256": QWEN_CODER_1_5B.source.sha256, "made_with": made_with, "files": sizes}
    marker["sha256"] = {path.name: sha256_of(path) for path in folder.iterdir()}
    (folder / MARKER).write_text(json.dumps(marker))
    return folder
