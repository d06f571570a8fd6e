"""A model to be added: a tiny Gemma 2 with SAEs on a loopback hub, or the tiny model in folders. Fixtures included."""

from __future__ import annotations

import shutil

import pytest

from core.models.check_added import Draft
from core.saes.published import SaeRef, published
from tests.loopback_hub.models import tiny_causal_lm
from tests.loopback_hub.saes import tiny_sae

MODEL, CANONICAL = "somebody/tiny", "gemma-scope-2b-pt-res-canonical"
LAYERS = (2, 3, 4)
HUB = Draft("mine", MODEL, CANONICAL, "width_16k", LAYERS)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def served(hub, tmp_path):
    """A tiny Gemma 2 on the hub, and three of Gemma Scope's SAEs in its width."""
    tiny_causal_lm(tmp_path / "model", "gemma2")
    hub.add(MODEL, tmp_path / "model")
    serve_saes(hub, tmp_path, [SaeRef(CANONICAL, f"layer_{layer}/width_16k/canonical") for layer in LAYERS], LAYERS)
    return hub


def serve_saes(hub, folder, refs, layers, **sizes):
    for layer, ref in zip(layers, refs, strict=True):
        known = published(ref)
        tiny_sae(folder / known.repo / known.folder, known.kind, layer, **sizes)
    hub.add(known.repo, folder / known.repo)
    return folder / known.repo / known.folder


@pytest.fixture
def local(tiny_folder, tmp_path):
    """A draft over folders on this machine, that may be spoilt."""
    for name in ("model", "layer_1", "layer_2", "layer_3"):
        shutil.copytree(tiny_folder / name, tmp_path / ("" if name == "model" else "saes") / name)
    return Draft("mine", str(tmp_path / "model"), str(tmp_path / "saes"))


def weights_asked(hub):
    return [
        request
        for request in hub.requests
        if request.body and request.file.endswith((".safetensors", ".npz", ".pt", ".pth"))
    ]
