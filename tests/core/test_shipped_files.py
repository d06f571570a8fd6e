"""Shipped files of the right size and other content are refused; the manifest knows every file."""

import shutil
import subprocess
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import AssetError, load, shipped_files
from core.edits.direction import Direction, load_direction, save_direction
from core.models import registry
from core.models.lora import merge_adapter
from core.paths import assets_folder
from core.prompts.shipped import read_shipped
from core.saes.folder import open_dictionary
from core.shipped_files import MANIFEST, check_shipped, manifest_text

REAL = assets_folder()


@pytest.fixture
def assets(tmp_path, monkeypatch):
    """A copy of a few shipped files, with their manifest."""
    folder = tmp_path / "assets"
    for name in ("demo/adapter", "demo/saes/layer_08"):
        shutil.copytree(REAL / name, folder / name)
    for name in ("demo/direction.safetensors", "demo/prompts.csv"):
        shutil.copy(REAL / name, folder / name)
    (folder / MANIFEST).write_text(manifest_text(folder))
    monkeypatch.setattr(shipped_files, "assets_folder", lambda: folder)
    return folder


def test_the_manifest_is_that_of_the_files():
    """After a change of the shipped files: make manifest."""
    assert (REAL / MANIFEST).read_text() == manifest_text(REAL)
    listed = {line.split("  ")[1] for line in manifest_text(REAL).splitlines()}
    tracked = subprocess.run(["git", "ls-files"], cwd=REAL, capture_output=True, text=True, check=True).stdout.split()
    assert {name for name in tracked if not name.endswith((".md", ".gitattributes", MANIFEST))} <= listed


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("demo/adapter/adapter_model.safetensors", lambda folder: merge_adapter(torch.nn.Linear(1, 1), folder)),
        ("demo/direction.safetensors", load_direction),
        ("demo/prompts.csv", read_shipped),
        ("demo/saes/layer_08/sae_weights.safetensors", lambda folder: open_dictionary(folder, 8)),
        ("demo/saes/layer_08/cfg.json", lambda folder: open_dictionary(folder, 8)),
    ],
)
def test_a_changed_file_is_refused_where_it_is_used(assets, monkeypatch, tmp_path, name, use):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    path = assets / name
    check_shipped(path)
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match=f"The shipped file {name} is not the one that was shipped") as caught:
        use(path.parent if "adapter" in name or "saes" in name else path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_gone_and_others_than_shipped_ones(assets, tmp_path):
    (assets / "demo/prompts.csv").unlink()
    with pytest.raises(AssetError, match=r"demo/prompts\.csv cannot be read"):
        check_shipped(assets / "demo/prompts.csv")
    check_shipped(tmp_path / "not shipped")


@pytest.mark.parametrize(
    ("vector", "said"),
    [
        ([1.0, float("nan")], "not a list of finite numbers"),
        ([1.0, float("inf")], "not a list of finite numbers"),
        ([3.0, 4.0], "has length 5 instead of 1"),
        ([0.0, 0.0], "has length 0 instead of 1"),
    ],
)
def test_a_direction_that_is_none_is_refused(tmp_path, vector, said):
    save_direction(Direction(1, -1, torch.tensor(vector), 1.0), tmp_path / "direction.safetensors")
    with pytest.raises(AssetError, match=said):
        load_direction(tmp_path / "direction.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_model_with_a_number_that_is_not_finite_is_refused(tiny_spec, tmp_path, value):
    folder = tmp_path / "model"
    shutil.copytree(tiny_spec.model_id, folder)
    weights = load_file(folder / "model.safetensors")
    name = next(key for key in weights if "mlp" in key)
    weights[name][0, 0] = value
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    registry.register(replace(tiny_spec, name="broken", model_id=str(folder)))
    with pytest.raises(AssetError, match=f"not finite .* in {name}"):
        load("broken")
