"""Every suite's layout through the loopback hub: what is read equals SAELens's own loader, block by block."""

import json
import os
import shutil

import numpy as np
import pytest
import torch

from core import AssetError
from core.saes.columns import Columns, activations
from core.saes.formats.open import SAE_FILES, open_sae
from core.saes.published import SaeRef, open_published, published
from tests.loopback_hub.saes import dictionary_learning_config, tiny_sae, tiny_sizes

SUITES = {
    "gemma_2": SaeRef("gemma-scope-2b-pt-res-canonical", "layer_3/width_65k/canonical"),
    "gemma_3": SaeRef("gemma-scope-2-1b-it-res-all", "layer_3_width_16k_l0_small"),
    "llama_scope": SaeRef("llama_scope_lxr_8x", "l3r_8x"),
    "llama_scope_r1_distill": SaeRef("llama_scope_r1_distill", "l3r_800m_slimpajama"),
    "dictionary_learning_1": SaeRef("llama-3.1-8b-instruct-andyrdt", "resid_post_layer_3_trainer_1"),
    "goodfire": SaeRef("goodfire-llama-3.1-8b-instruct", "layer_19"),
    "deepseek_r1": SaeRef("deepseek-r1-distill-llama-8b-qresearch", "blocks.19.hook_resid_post"),
}


@pytest.fixture
def own_records(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=list(SUITES))
def served(request, hub, tmp_path):
    """(SAELens's names of an SAE, the folder it is served from)."""
    ref = SUITES[request.param]
    known = published(ref)
    tiny_sae(tmp_path / "repo" / known.folder, known.kind, 3)
    hub.add(known.repo, tmp_path / "repo")
    return ref, tmp_path / "repo" / known.folder


def test_what_is_read_is_saelens_own_loader(served, own_records):
    from sae_lens import SAE

    ref, _ = served
    dictionary, sae = open_published(ref, 3), SAE.from_pretrained(*ref, device="cpu", converter=tiny_sizes(ref))
    columns = dictionary.columns(list(range(dictionary.d_sae)))
    # SAELens's ReLU SAEs have no threshold; a JumpReLU with threshold 0 is the same function.
    wanted = Columns(sae.W_enc.T, sae.W_dec, sae.b_enc, getattr(sae, "threshold", torch.zeros(48)))
    for name, found, own in zip(Columns._fields, columns, wanted, strict=True):
        torch.testing.assert_close(found, own.detach(), rtol=1e-6, atol=0, msg=f"{name} differs")
    torch.testing.assert_close(dictionary.output_bias, sae.b_dec.detach(), rtol=1e-6, atol=0)
    assert dictionary.subtracts_bias is bool(sae.cfg.apply_b_dec_to_input)
    assert dictionary.subtracts_bias is (published(ref).kind == "dictionary_learning_1")
    assert dictionary.hook in ("", sae.cfg.metadata.hook_name)
    x = 4 * torch.randn(64, dictionary.d_model, generator=torch.Generator().manual_seed(0))
    found = activations(x, columns, dictionary.input_bias)
    assert 0.05 < (found > 0).float().mean() < 0.95
    torch.testing.assert_close(found, sae.encode(x).detach(), rtol=1e-5, atol=1e-5)


#: The library's classes → names in their state dicts of W_enc, W_dec, b_enc, b_dec, threshold. Matrices called .weight
#: are turned.
CLASSES = {
    "AutoEncoder": ("encoder.weight", "decoder.weight", "encoder.bias", "bias", None),
    "BatchTopKSAE": ("encoder.weight", "decoder.weight", "encoder.bias", "b_dec", "threshold"),
    "MatryoshkaBatchTopKSAE": ("W_enc", "W_dec", "b_enc", "b_dec", "threshold"),
    "JumpReluAutoEncoder": ("W_enc", "W_dec", "b_enc", "b_dec", "threshold"),
}


def of_class(folder, dict_class, names, scalar):
    """An SAE of another of dictionary_learning's classes in `folder`."""
    draw = torch.Generator().manual_seed(5)
    shapes = ((32, 48), (48, 32), (48,), (32,), () if scalar else (48,))
    parts = [0.3 * torch.randn(shape, generator=draw) for shape in shapes]
    state = {
        name: part.T.contiguous() if name.endswith(".weight") else part
        for name, part in zip(names, parts, strict=True)
        if name
    }
    folder.mkdir(parents=True)
    torch.save(state | {"k": torch.tensor(8)}, folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps(dictionary_learning_config(dict_class, 3, 32, 48)))


@pytest.mark.parametrize("scalar", [True, False])
@pytest.mark.parametrize("dict_class", list(CLASSES))
def test_every_class_of_dictionary_learning_is_saelens_own(dict_class, scalar, hub, tmp_path, own_records):
    from sae_lens import SAE

    ref = SUITES["dictionary_learning_1"]
    known = published(ref)
    of_class(tmp_path / "repo" / known.folder, dict_class, CLASSES[dict_class], scalar)
    hub.add(known.repo, tmp_path / "repo")
    dictionary, sae = open_published(ref, 3), SAE.from_pretrained(*ref, device="cpu")
    assert dictionary.subtracts_bias is bool(sae.cfg.apply_b_dec_to_input)
    x = torch.randn(64, 32, generator=torch.Generator().manual_seed(0))
    found = activations(x, dictionary.columns(range(48)), dictionary.input_bias)
    assert 0.05 < (found > 0).float().mean() < 0.95
    torch.testing.assert_close(found, sae.encode(x).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dict_class", ["AutoEncoderTopK", "GatedAutoEncoder", "CrossCoder"])
def test_an_sae_whose_features_do_not_fire_by_themselves_is_refused(dict_class, tmp_path):
    of_class(tmp_path / "sae", dict_class, CLASSES["BatchTopKSAE"], True)
    with pytest.raises(AssetError, match=rf"“{dict_class}”; only elementwise ones"):
        open_sae("dictionary_learning_1", tmp_path / "sae")


def test_a_batch_top_k_without_its_threshold_is_refused(tmp_path):
    of_class(tmp_path / "sae", "BatchTopKSAE", (*CLASSES["BatchTopKSAE"][:4], None), True)
    with pytest.raises(AssetError, match="without a threshold"):
        open_sae("dictionary_learning_1", tmp_path / "sae")


def test_without_saelens_scale_an_sae_that_wants_one_is_refused(tmp_path):
    folder = tiny_sae(tmp_path / "sae", "llama_scope_r1_distill", 1)
    with pytest.raises(AssetError, match="wants its inputs scaled"):
        open_sae("llama_scope_r1_distill", folder)


@pytest.mark.parametrize(("kind", "name"), [("goodfire", "Some-SAE-l3.pth"), ("deepseek_r1", "Some-SAE-l3.pt")])
def test_the_layer_of_a_single_file_is_in_its_name(kind, name, tmp_path):
    assert open_sae(kind, tiny_sae(tmp_path / name, kind, 3)).hook == "blocks.3.hook_resid_post"
    assert open_sae(kind, tiny_sae(tmp_path / "mine.pt", kind, 3)).hook == ""


def test_a_torch_file_of_half_precision_is_kept_in_half(tmp_path):
    folder = tiny_sae(tmp_path / "sae", "dictionary_learning_1", 1)
    whole = open_sae("dictionary_learning_1", folder)
    state = {
        name: part.half() if part.is_floating_point() else part for name, part in torch.load(folder / "ae.pt").items()
    }
    torch.save(state, folder / "ae.pt")
    assert (whole.dtype, open_sae("dictionary_learning_1", folder).dtype) == ("float32", "float16")


def test_what_was_packed_is_not_asked_for_again(served, own_records, hub):
    ref, _ = served
    first = open_published(ref, 3)
    asked = len(hub.requests)
    again = open_published(ref, 3)
    assert len(hub.requests) == asked and again.path == first.path and published(ref).is_packed


def test_progress_goes_up_to_the_end(served, own_records):
    told = []
    open_published(served[0], 3, lambda message, share: told.append((message, share)))
    shares = [share for _, share in told]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert any("Packing the SAE of layer 3" in message for message, _ in told)


@pytest.mark.parametrize("kind", list(SAE_FILES))
@pytest.mark.parametrize(("start", "stop"), [(0, 48), (0, 7), (40, 100), (11, 12)])
def test_a_block_is_those_features(kind, start, stop, tmp_path):
    source = open_sae(kind, tiny_sae(tmp_path / "sae", kind, 1), 1.5)
    whole, part = source.block(0, 48), source.block(start, stop)
    for one, other in zip(whole, part, strict=True):
        assert torch.equal(one[start:stop], other) and other.dtype == torch.float32
    assert part.encoder.shape == (min(stop, 48) - start, 32)


def test_a_compressed_archive_and_old_key_names_are_read_too(tmp_path):
    plain = open_sae("gemma_2", tiny_sae(tmp_path / "plain", "gemma_2", 1)).block(5, 9)
    with np.load(tmp_path / "plain" / "params.npz") as data:
        renamed = {name.replace("W_", "w_"): data[name] for name in data}
    (tmp_path / "other").mkdir()
    np.savez_compressed(tmp_path / "other" / "params.npz", **renamed)
    assert all(map(torch.equal, open_sae("gemma_2", tmp_path / "other").block(5, 9), plain))


def test_fortran_order_is_read_as_it_is_meant(tmp_path):
    tiny_sae(tmp_path, "gemma_2", 1)
    with np.load(tmp_path / "params.npz") as data:
        parts = dict(data)
    expected = open_sae("gemma_2", tmp_path).block(0, 48)
    np.savez(tmp_path / "params.npz", **parts | {"W_enc": np.asfortranarray(parts["W_enc"])})
    assert all(map(torch.equal, open_sae("gemma_2", tmp_path).block(0, 48), expected))


def test_an_archive_is_mapped_and_not_read(tmp_path):
    """A dictionary of gigabytes is looked at within kilobytes: only the block asked for is touched."""
    import tracemalloc

    rows, wide = 64, 40_000
    parts = {
        "W_enc": np.zeros((rows, wide), np.float32),
        "W_dec": np.zeros((wide, rows), np.float32),
        "b_enc": np.zeros(wide, np.float32),
        "b_dec": np.zeros(rows, np.float32),
        "threshold": np.ones(wide, np.float32),
    }
    np.savez(tmp_path / "params.npz", **parts)
    del parts
    tracemalloc.start()
    open_sae("gemma_2", tmp_path).block(100, 200)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000 < rows * wide * 4


@pytest.mark.parametrize("kind", list(SAE_FILES))
def test_a_file_that_is_not_there_is_named(kind, tmp_path):
    folder = tiny_sae(tmp_path / "sae", kind, 1)
    missing = folder / SAE_FILES[kind][0][-1]
    missing.unlink()
    with pytest.raises(AssetError, match=f"{missing.name} is not there"):
        open_sae(kind, folder)


@pytest.mark.parametrize("kind", list(SAE_FILES))
@pytest.mark.parametrize("damage", ["garbled", "short"])
def test_a_damaged_file_is_one_plain_error(kind, damage, tmp_path):
    folder = tiny_sae(tmp_path / "sae", kind, 1)
    path = folder / SAE_FILES[kind][0][-1]
    if damage == "garbled":
        path.write_bytes(b"not an SAE at all, whatever its name says" * 10)
    else:
        os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(AssetError, match="restore it"):
        open_sae(kind, folder, 1.5).block(0, 48)


def test_matrices_of_the_wrong_shape_are_refused(tmp_path):
    tiny_sae(tmp_path, "gemma_2", 1)
    with np.load(tmp_path / "params.npz") as data:
        parts = dict(data)
    np.savez(tmp_path / "params.npz", **parts | {"W_enc": parts["W_enc"].T})
    with pytest.raises(AssetError, match=r"W_enc is \(48, 32\) and not \(32, 48\)"):
        open_sae("gemma_2", tmp_path)


def test_objects_in_an_archive_are_never_made(tmp_path):
    tiny_sae(tmp_path, "gemma_2", 1)
    with np.load(tmp_path / "params.npz") as data:
        parts = dict(data)
    np.savez(tmp_path / "params.npz", **parts | {"note": np.array([{"a": 1}], dtype=object)})
    with pytest.raises(AssetError, match="Python objects"):
        open_sae("gemma_2", tmp_path)


def test_a_scaling_factor_of_its_own_is_refused_and_ones_are_not(tmp_path):
    tiny_sae(tmp_path, "gemma_2", 1)
    with np.load(tmp_path / "params.npz") as data:
        parts = dict(data)
    np.savez(tmp_path / "params.npz", **parts | {"scaling_factor": np.ones(48, np.float32)})
    open_sae("gemma_2", tmp_path)
    np.savez(tmp_path / "params.npz", **parts | {"scaling_factor": np.full(48, 2, np.float32)})
    with pytest.raises(AssetError, match="scaling factor"):
        open_sae("gemma_2", tmp_path)


def test_without_saelens_scale_llama_scopes_own_is_folded_in(tmp_path):
    folder = tiny_sae(tmp_path, "llama_scope", 1)
    norm = json.loads((folder / "hyperparams.json").read_text())["dataset_average_activation_norm"]["in"]
    own, given = open_sae("llama_scope", folder), open_sae("llama_scope", folder, 32**0.5 / norm)
    assert all(map(torch.equal, own.block(0, 48), given.block(0, 48)))
    assert own.hook == "blocks.1.hook_resid_post"


def test_a_log_threshold_of_older_saelens_checkpoints_is_read(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = tiny_sae(tmp_path / "new", "sae_lens", 1)
    shutil.copytree(folder, tmp_path / "old")
    weights = load_file(folder / "sae_weights.safetensors")
    threshold = weights.pop("threshold")
    save_file(weights | {"log_threshold": threshold.log()}, tmp_path / "old" / "sae_weights.safetensors")
    found = open_sae("sae_lens", tmp_path / "old").block(0, 48).threshold
    torch.testing.assert_close(found, threshold, rtol=1e-6, atol=1e-7)
