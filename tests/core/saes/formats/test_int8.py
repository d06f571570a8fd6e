"""int8 storage: what is read back is exactly int8 · scale, close to what was stored, and the same everywhere."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from core import AssetError
from core.hashes import sha256_of
from core.saes.columns import activations
from core.saes.folder import open_dictionary
from core.saes.formats.int8 import HASH, WEIGHTS, dequantise, quantise, save_int8, shrink, to_sae_lens
from core.saes.formats.open import open_sae
from tests.conftest import D_MODEL, D_SAE, make_sae


@pytest.fixture
def folders(tmp_path):
    """(a SAELens folder, the same SAE as int8)."""
    make_sae(tmp_path / "layer_2", 2, subtract=True)
    shrink(tmp_path / "layer_2", tmp_path / "small" / "layer_2")
    return tmp_path / "layer_2", tmp_path / "small" / "layer_2"


def test_a_second_round_changes_nothing() -> None:
    rows = torch.randn(40, 64, generator=torch.Generator().manual_seed(0)) * torch.logspace(-6, 6, 40)[:, None]
    once = dequantise(*quantise(rows))
    assert torch.equal(dequantise(*quantise(once)), once)


def test_no_entry_moves_by_more_than_half_a_step() -> None:
    rows = torch.randn(40, 64, generator=torch.Generator().manual_seed(1))
    steps, scale = quantise(rows)
    assert steps.abs().amax() == 127
    assert ((dequantise(steps, scale) - rows).abs() <= 0.5001 * scale[:, None]).all()


def test_a_row_of_zeros_stays_zero() -> None:
    steps, scale = quantise(torch.zeros(2, 5))
    assert not steps.any() and not scale.any() and not dequantise(steps, scale).any()


def test_weights_that_are_not_finite_are_refused() -> None:
    with pytest.raises(AssetError, match="not finite"):
        quantise(torch.tensor([[1.0, float("nan")]]))


def test_the_opener_reads_it_block_by_block(folders) -> None:
    _, small = folders
    found, stored = open_sae("sae_lens", small), load_file(small / WEIGHTS)
    assert (found.d_sae, found.d_model, found.subtracts_bias, found.dtype) == (D_SAE, D_MODEL, True, "float32")
    part = found.block(40, 100)
    assert part.encoder.shape == (D_SAE - 40, D_MODEL)
    assert torch.equal(part.encoder, stored["encoder"][40:].float() * stored["encoder_scale"][40:, None])
    assert torch.equal(part.decoder, stored["decoder"][40:].float() * stored["decoder_scale"][40:, None])
    assert torch.equal(part.threshold, stored["threshold"][40:])


def test_biases_and_thresholds_are_kept_as_they_are(folders) -> None:
    whole, small = (open_sae("sae_lens", folder) for folder in folders)
    assert torch.equal(whole.output_bias, small.output_bias)
    assert torch.equal(whole.block(0, D_SAE).bias, small.block(0, D_SAE).bias)
    assert torch.equal(whole.block(0, D_SAE).threshold, small.block(0, D_SAE).threshold)


def test_its_records_are_the_stored_weights(folders, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    small = open_sae("sae_lens", folders[1]).block(0, D_SAE)
    packed = open_dictionary(folders[1], 2).columns(list(range(D_SAE)))
    assert all(torch.equal(a, b) for a, b in zip(small, packed, strict=True))


def test_quality_hardly_changes(folders) -> None:
    """Activations of random residuals: the shrunk SAE's differ by about one part in a hundred of the whole's."""
    x = 8 * torch.randn(500, D_MODEL, generator=torch.Generator().manual_seed(2))
    whole, small = (open_sae("sae_lens", folder) for folder in folders)
    before = activations(x, whole.block(0, D_SAE), whole.output_bias)
    after = activations(x, small.block(0, D_SAE), small.output_bias)
    assert 0 < (after - before).norm() / before.norm() < 0.1
    assert ((after > 0) == (before > 0)).float().mean() > 0.99


def test_it_is_about_a_quarter_of_the_size(tmp_path) -> None:
    make_sae(tmp_path / "whole", 1, d_model=64, d_sae=512)
    shrink(tmp_path / "whole", tmp_path / "small")
    sizes = [(tmp_path / name / WEIGHTS).stat().st_size for name in ("small", "whole")]
    assert sizes[0] < 0.31 * sizes[1]


def test_as_a_folder_of_saelens_it_computes_the_same(folders, tmp_path) -> None:
    from sae_lens import SAE

    to_sae_lens(folders[1], tmp_path / "again")
    sae = SAE.load_from_disk(str(tmp_path / "again"), device="cpu")
    x = torch.randn(50, D_MODEL, generator=torch.Generator().manual_seed(3))
    small = open_sae("sae_lens", folders[1])
    assert torch.allclose(sae.encode(x), activations(x, small.block(0, D_SAE), small.output_bias), atol=1e-5)


def test_a_standard_sae_comes_back_without_thresholds(folders, tmp_path) -> None:
    from sae_lens import SAE

    plain = tmp_path / "plain"
    shutil.copytree(folders[0], plain)
    tensors = load_file(plain / WEIGHTS)
    save_file({name: one for name, one in tensors.items() if name != "threshold"}, plain / WEIGHTS)
    config = json.loads((plain / "cfg.json").read_text()) | {"architecture": "standard"}
    (plain / "cfg.json").write_text(json.dumps(config))
    shrink(plain, tmp_path / "small")
    to_sae_lens(tmp_path / "small", tmp_path / "again")
    assert load_file(tmp_path / "again" / WEIGHTS).keys() == load_file(plain / WEIGHTS).keys()
    x = torch.randn(50, D_MODEL, generator=torch.Generator().manual_seed(3))
    small = open_sae("sae_lens", tmp_path / "small")
    expected = activations(x, small.block(0, D_SAE), small.output_bias)
    assert (
        torch.allclose(SAE.load_from_disk(str(tmp_path / "again"), device="cpu").encode(x), expected, atol=1e-5)
        and (expected > 0).any()
    )


def test_saelens_refuses_it_rather_than_misreading_it(folders) -> None:
    from sae_lens import SAE

    with pytest.raises(Exception, match=r"W_enc|encoder"):
        SAE.load_from_disk(str(folders[1]), device="cpu")


def test_only_int8_is_turned_back(folders, tmp_path) -> None:
    with pytest.raises(AssetError, match="not stored as int8"):
        to_sae_lens(folders[0], tmp_path / "again")


def test_a_file_with_a_tensor_too_few_or_of_another_shape_is_refused(folders) -> None:
    small = folders[1]
    stored = load_file(small / WEIGHTS)
    save_file(stored | {"decoder_scale": stored["decoder_scale"][1:].clone()}, small / WEIGHTS)
    with pytest.raises(AssetError, match="cannot read"):
        open_sae("sae_lens", small)
    del stored["threshold"]
    save_file(stored, small / WEIGHTS)
    with pytest.raises(AssetError, match="cannot read"):
        open_sae("sae_lens", small)


def test_its_configuration_says_how_it_is_stored(folders, tmp_path) -> None:
    assert json.loads((folders[1] / "cfg.json").read_text())["storage"] == "int8"
    found = open_sae("sae_lens", folders[0])
    save_int8(tmp_path / "other", found.block(0, D_SAE), found.output_bias, {"d_in": D_MODEL})
    said = json.loads((tmp_path / "other" / "cfg.json").read_text())
    assert said == {"d_in": D_MODEL, "storage": "int8", HASH: sha256_of(tmp_path / "other" / WEIGHTS)}


def test_weights_that_changed_on_the_disk_are_refused(folders) -> None:
    path = folders[1] / WEIGHTS
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(AssetError, match="is not what was written"):
        open_sae("sae_lens", folders[1])
