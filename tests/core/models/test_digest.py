"""What an engine computes with is known by digests: files that are replaced under the same names are others."""

import shutil
from dataclasses import replace

import pytest
import torch

from core import load
from core.models.digest import PART_BYTES, PARTS, model_digest
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
    before = model_digest(tmp_path, tiny_spec)
    with file.open("r+b") as opened:
        opened.seek(size // 2)
        opened.write(bytes(5 * PART_BYTES))
    assert model_digest(tmp_path, tiny_spec) != before


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("config.json", '"rms_norm_eps": ', '"rms_norm_eps": 1'),
        ("tokenizer_config.json", "{", "{ "),
        ("tokenizer.json", "{", "{ "),
        ("chat_template.jinja", "{", " {"),
        ("generation_config.json", "{", "{ "),
    ],
)
def test_what_weights_are_read_with_is_part_of_it(own, name, before, after):
    spec, folder = own
    first = model_digest(folder / "model", spec)
    file = folder / "model" / name
    file.write_text(file.read_text().replace(before, after, 1))
    assert model_digest(folder / "model", spec) != first
    (folder / "model" / "README.md").write_text("Words that no number depends on.")
    file.write_text(file.read_text().replace(after, before, 1))
    assert model_digest(folder / "model", spec) == first


def test_a_chat_template_that_is_added_is_noticed(own):
    spec, folder = own
    first = model_digest(folder / "model", spec)
    (folder / "model" / "additional_chat_templates").mkdir()
    (folder / "model" / "additional_chat_templates" / "tool_use.jinja").write_text("{{ messages }}")
    assert model_digest(folder / "model", spec) != first
