"""What an engine computes with is known by digests: files that are replaced under the same names are others."""

import shutil
from dataclasses import replace

import pytest
import torch

from core import load
from core.models.digest import PART_BYTES, PARTS, weights_digest
from tests.conftest import LAYERS, make_model, make_sae, make_tokenizer


@pytest.fixture
def own(tiny_folder, tiny_spec, tmp_path, monkeypatch):
    """The tiny model in a folder and a cache of its own: (spec, folder)."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "own"
    shutil.copytree(tiny_folder, folder)
    saes = {layer: folder / f"layer_{layer}" for layer in LAYERS}
    return replace(tiny_spec, name="own", model_id=str(folder / "model"), saes=saes), folder


def test_an_engine_keeps_the_digests_of_what_it_loaded_and_the_next_one_has_others(own, tiny):
    spec, folder = own
    first = load(spec, device="cpu", dtype="float32")
    before = first.runtime.digests
    assert before == tiny.runtime.digests, "the same files elsewhere, under another name"
    model = make_model(len(make_tokenizer()))
    with torch.no_grad():
        model.lm_head.weight.mul_(0.9)
    model.save_pretrained(folder / "model")
    make_sae(folder / "layer_2", 52)
    second = load(spec, device="cpu", dtype="float32").runtime.digests
    assert first.runtime.digests == before
    assert second.weights != before.weights
    assert [layer for layer in LAYERS if second.saes[layer] != before.saes[layer]] == [2]
    assert second.sae_text == ",".join(f"{layer}:{second.saes[layer]}" for layer in LAYERS)


def test_of_a_large_file_evenly_spaced_parts_are_read(tmp_path, tiny_spec):
    """A block of zeros as a disk leaves it is noticed where it is wider than the way between two parts."""
    file, size = tmp_path / "model.safetensors", 4 * PARTS * PART_BYTES
    file.write_bytes(b"\1" * size)
    before = weights_digest(tmp_path, tiny_spec)
    with file.open("r+b") as opened:
        opened.seek(size // 2)
        opened.write(bytes(5 * PART_BYTES))
    assert weights_digest(tmp_path, tiny_spec) != before
