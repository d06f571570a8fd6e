"""Packed dictionaries: the records are SAELens's tensors, made anew when the source changes, read only where asked."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from core import AssetError, InputError
from core.saes.columns import activations
from core.saes.folder import open_dictionary, unpacked_bytes
from tests.conftest import D_MODEL, D_SAE, make_sae


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A folder with an SAE of its own and an empty cache."""
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    make_sae(tmp_path / "sae", 2, subtract=True)
    return tmp_path / "sae"


def change(folder, **tensors):
    weights = folder / "sae_weights.safetensors"
    save_file(load_file(weights) | tensors, weights)


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_records_are_saelens_tensors_to_the_bit(tiny, tiny_saes, layer):
    dictionary, sae = tiny.runtime.dictionaries[layer], tiny_saes[layer]
    wanted = [47, 0, 5, 5]
    columns = dictionary.columns(wanted)
    assert torch.equal(columns.encoder, sae.W_enc.T[wanted]) and torch.equal(columns.decoder, sae.W_dec[wanted])
    assert torch.equal(columns.bias, sae.b_enc[wanted]) and torch.equal(columns.threshold, sae.threshold[wanted])
    assert torch.equal(dictionary.output_bias, sae.b_dec)
    assert dictionary.subtracts_bias is (layer == 2)
    assert (dictionary.input_bias is None) is (layer != 2)


def test_a_pre_activation_at_its_threshold_is_off(tiny):
    """JumpReLU is strict: f = 0 where pre = threshold, and never below zero."""
    column = (
        tiny.runtime.dictionaries[1]
        .columns([0])
        ._replace(encoder=torch.tensor([[1.0, 0.0]]), bias=torch.zeros(1), threshold=torch.tensor([2.0]))
    )
    found = activations(torch.tensor([[2.0, 9], [2.1, 9], [1.9, 9], [-5, 9]]), column, None)
    torch.testing.assert_close(found[:, 0], torch.tensor([0, 2.1, 0, 0]))
    relu = column._replace(threshold=torch.zeros(1))
    assert activations(torch.tensor([[0.0, 9], [-1.0, 9], [0.5, 9]]), relu, None)[:, 0].tolist() == [0, 0, 0.5]


def test_only_the_records_asked_for_are_read(tiny):
    dictionary = tiny.runtime.dictionaries[1]
    assert isinstance(dictionary.records(), np.memmap) and dictionary.records().mode == "c"  # never written back
    assert dictionary.columns([3, 9]).encoder.untyped_storage().nbytes() == 2 * (2 * D_MODEL + 2) * 4
    assert dictionary.columns([]).encoder.shape == (0, D_MODEL)
    assert dictionary.path.stat().st_size == D_SAE * (2 * D_MODEL + 2) * 4


def test_a_record_is_one_contiguous_piece_of_the_file(tiny):
    """Feature-major: a feature can be read with one seek, whatever the width of the dictionary."""
    dictionary, size = tiny.runtime.dictionaries[3], 2 * D_MODEL + 2
    raw = np.fromfile(dictionary.path, dtype=np.float32, count=size, offset=7 * size * 4)
    column = dictionary.columns([7])
    np.testing.assert_array_equal(raw[:D_MODEL], column.encoder[0])
    np.testing.assert_array_equal(raw[D_MODEL:-2], column.decoder[0])
    assert raw[-2] == column.bias[0] and raw[-1] == column.threshold[0]


@pytest.mark.parametrize("index", [-1, 48, 10**8])
def test_an_index_outside_the_dictionary_is_one_plain_error(tiny, index):
    with pytest.raises(InputError, match=f"Feature 1-{index} does not exist"):
        tiny.runtime.dictionaries[1].columns([0, index])


def test_a_dictionary_is_packed_once(fresh, monkeypatch):
    first = open_dictionary(fresh, 2)
    made = first.path.stat().st_mtime_ns
    monkeypatch.setattr("core.saes.packed.pack", None)
    again = open_dictionary(fresh, 2)
    assert again.path == first.path and made == again.path.stat().st_mtime_ns
    assert torch.equal(again.output_bias, first.output_bias)
    assert not list(first.path.parent.glob("*.partial"))


def test_a_changed_source_is_packed_again(fresh):
    open_dictionary(fresh, 2)
    change(fresh, W_dec=torch.full((D_SAE, D_MODEL), 0.5))
    assert (open_dictionary(fresh, 2).columns([4]).decoder == 0.5).all()


def test_a_changed_configuration_is_packed_again(fresh):
    assert open_dictionary(fresh, 2).subtracts_bias
    config = json.loads((fresh / "cfg.json").read_text())
    (fresh / "cfg.json").write_text(json.dumps(config | {"apply_b_dec_to_input": False}))
    assert not open_dictionary(fresh, 2).subtracts_bias


def test_two_folders_of_one_name_do_not_share_records(fresh, tmp_path):
    shutil.copytree(fresh, tmp_path / "other" / "sae")
    change(tmp_path / "other" / "sae", b_enc=torch.full((D_SAE,), 9.0))
    assert (open_dictionary(tmp_path / "other" / "sae", 2).columns([0]).bias == 9).all()
    assert (open_dictionary(fresh, 2).columns([0]).bias != 9).all()


@pytest.mark.parametrize("header", ["", "{", "[]", "{}", '{"source": null}', "null"])
def test_a_truncated_record_file_or_header_is_packed_again(fresh, header):
    dictionary = open_dictionary(fresh, 2)
    whole = dictionary.columns(range(D_SAE))
    os.truncate(dictionary.path, 100)
    again = open_dictionary(fresh, 2).columns(range(D_SAE))
    dictionary.path.with_suffix(".json").write_text(header)
    for name, tensor in zip(whole._fields, open_dictionary(fresh, 2).columns(range(D_SAE)), strict=True):
        assert torch.equal(tensor, getattr(whole, name)) and torch.equal(getattr(again, name), tensor)


def test_repacking_does_not_pull_the_file_from_under_a_reader(fresh):
    reader = open_dictionary(fresh, 2)
    records, before = reader.records(), reader.columns([4])
    change(fresh, W_dec=torch.full((D_SAE, D_MODEL), 0.5))
    open_dictionary(fresh, 2)
    np.testing.assert_array_equal(records[4, D_MODEL:-2], before.decoder[0])


def test_a_missing_sae_is_one_plain_error(tmp_path):
    with pytest.raises(AssetError, match=r"There is no SAE in .*missing"):
        open_dictionary(tmp_path / "missing", 2)


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_corrupt_sae_is_one_plain_error(fresh, name):
    (fresh / name).write_bytes(b"{not an sae")
    with pytest.raises(AssetError, match="cannot read the SAE"):
        open_dictionary(fresh, 2)


def test_an_sae_that_cannot_be_edited_by_column_is_refused(fresh):
    config = json.loads((fresh / "cfg.json").read_text())
    (fresh / "cfg.json").write_text(json.dumps(config | {"normalize_activations": "layer_norm"}))
    with pytest.raises(AssetError, match="normalises its inputs"):
        open_dictionary(fresh, 2)
    loaded = config["metadata"] | {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    (fresh / "cfg.json").write_text(json.dumps(config | {"metadata": loaded}))
    with pytest.raises(AssetError, match=r"whose mean over its dimensions was taken out \(center_writing_weights\)"):
        open_dictionary(fresh, 2)
    loaded["model_from_pretrained_kwargs"]["center_writing_weights"] = False
    (fresh / "cfg.json").write_text(json.dumps(config | {"metadata": loaded}))
    assert open_dictionary(fresh, 2).d_sae
    (fresh / "cfg.json").write_text(json.dumps(config | {"architecture": "topk", "k": 4}))
    change(fresh)
    with pytest.raises(AssetError, match=r"topk|cannot read"):
        open_dictionary(fresh, 2)


def test_a_relu_sae_has_threshold_zero(tmp_path, monkeypatch):
    from sae_lens import StandardSAE, StandardSAEConfig

    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(3)
    sae = StandardSAE(StandardSAEConfig(d_in=8, d_sae=16, dtype="float32", device="cpu"))
    sae.b_enc.data.normal_()
    sae.b_dec.data.normal_()
    sae.save_model(str(tmp_path / "relu"))
    dictionary = open_dictionary(tmp_path / "relu", 0)
    assert (dictionary.columns(range(16)).threshold == 0).all()
    x = torch.randn(4, 8)
    found = activations(x, dictionary.columns(range(16)), dictionary.input_bias)
    torch.testing.assert_close(found, sae.encode(x).detach(), rtol=1e-5, atol=1e-6)


def test_a_cache_that_cannot_be_written_is_one_plain_error(fresh, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "file"))
    with pytest.raises(AssetError, match="HYDRASCOPE_CACHE"):
        open_dictionary(fresh, 2)


def test_threads_packing_the_same_sae_at_once_all_get_it_whole(fresh):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: open_dictionary(fresh, 2), range(8)))
    whole = found[0].columns(range(D_SAE))
    assert all(torch.equal(d.columns(range(D_SAE)).encoder, whole.encoder) for d in found)
    assert not list(found[0].path.parent.glob("*.partial"))


def test_the_layer_is_a_label_only(tiny):
    dictionary = tiny.runtime.dictionaries[1]
    assert torch.equal(replace(dictionary, layer=9).columns([1]).bias, dictionary.columns([1]).bias)


def forbidden_in(source, name):
    """What of a module would read a pickle or run what it finds, by its syntax: words in sentences do not count."""
    import ast

    modules = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "pickletools"}
    names = {"Unpickler", "eval", "exec", "__import__", "import_module", "import_string"}
    loads = {
        "torch.load",
        "torch.serialization.load",
        "np.load",
        "numpy.load",
        "pd.read_pickle",
        "torch.jit.load",
        "torch.hub.load",
    }
    if name == "torch_pickle.py":  # lists a pickle's instructions, and does nothing with them
        modules = modules - {"pickletools"}
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.partition(".")[0] in modules}
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= whole if node.module.partition(".")[0] in modules else whole & loads
            found |= {alias.name for alias in node.names if alias.name in names}
        elif isinstance(node, ast.Name) and node.id in names:
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            whole = ast.unparse(node)
            pickletools = whole.startswith("pickletools.") and whole not in ("pickletools.genops", "pickletools.dis")
            if whole in loads or pickletools or node.attr in names - {"eval"}:
                found.add(whole)
        elif isinstance(node, ast.keyword) and node.arg in ("allow_pickle", "trust_remote_code", "weights_only"):
            found |= {node.arg} if ast.unparse(node.value) != "False" else set()
    return found


def test_nothing_in_the_engine_reads_pickles_or_runs_a_models_code():
    from pathlib import Path

    import core

    paths = list(Path(core.__file__).parent.rglob("*.py"))
    assert {path.name for path in paths} >= {"torch_pickle.py", "torch_zip.py"}
    found = {path: forbidden_in(path.read_text(encoding="utf-8"), path.name) for path in paths}
    found[Path(core.__file__)] -= {"import_module"}  # of the program's modules that it names itself
    assert not {name: what for name, what in found.items() if what}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import pickle as p",
        "from pickle import loads",
        "import pickletools",
        "import dill",
        "from torch import load",
        "torch.load(path)",
        "torch.load(path, weights_only=True)",
        "read = torch.load",
        "from torch._weights_only_unpickler import Unpickler",
        "pickle.Unpickler(file)",
        "eval(text)",
        "exec(text)",
        "importlib.import_module(name)",
        "np.load(path, allow_pickle=True)",
        "f(trust_remote_code=flag)",
        "import joblib",
    ],
)
def test_what_would_read_a_pickle_is_seen(source):
    assert forbidden_in(source, "any.py")
    assert forbidden_in(source, "torch_pickle.py") or source == "import pickletools"


def test_only_the_reader_of_torch_files_may_list_a_pickles_instructions():
    assert forbidden_in("import pickletools", "torch_zip.py") and forbidden_in("pickletools.optimize(x)", "a.py")
    assert not forbidden_in("import pickletools\npickletools.genops(x)", "torch_pickle.py")
    assert not forbidden_in('"""import pickle"""\nmodel.eval()\nast.literal_eval(x)', "any.py")


def test_half_precision_sources_are_kept_in_half_and_read_exactly(tiny_folder, tmp_path):
    shutil.copytree(tiny_folder / "layer_3", tmp_path / "half")
    weights = tmp_path / "half" / "sae_weights.safetensors"
    save_file({name: tensor.half().contiguous() for name, tensor in load_file(weights).items()}, weights)
    dictionary, tensors = open_dictionary(tmp_path / "half", 3), load_file(weights)
    assert dictionary.dtype == "float16"
    assert dictionary.path.stat().st_size == 2 * dictionary.d_sae * (2 * dictionary.d_model + 2)
    columns = dictionary.columns([5, 40])
    assert columns.encoder.dtype == torch.float32
    assert torch.equal(columns.encoder, tensors["W_enc"].float().T[[5, 40]])
    assert torch.equal(columns.threshold, tensors["threshold"].float()[[5, 40]])


@pytest.mark.parametrize(("start", "stop"), [(0, 48), (7, 14), (40, 1000), (3, 4)])
def test_encoders_and_decoders_are_the_two_halves_of_the_columns(tiny, start, stop):
    for dictionary in tiny.runtime.dictionaries.values():
        whole, half = dictionary.columns(range(start, min(stop, D_SAE))), dictionary.encoders(start, stop)
        for name in half._fields:
            part = getattr(half, name)
            assert torch.equal(part, getattr(whole, name)) and part.dtype == torch.float32 and part.is_contiguous()
        assert torch.equal(dictionary.decoders(slice(start, stop)), whole.decoder)


def test_decoders_are_the_writing_half_of_the_columns(tiny):
    for dictionary in tiny.runtime.dictionaries.values():
        wanted = np.array([5, 0, 47, 5])
        assert torch.equal(dictionary.decoders(wanted), dictionary.columns(wanted).decoder)


def test_few_records_are_asked_for_all_at_a_time_and_many_are_not(tiny, monkeypatch):
    dictionary, asked = tiny.runtime.dictionaries[1], []
    monkeypatch.setattr(
        os, "posix_fadvise", lambda file, start, size, advice: asked.append((start, size)), raising=False
    )
    monkeypatch.setattr(os, "POSIX_FADV_WILLNEED", 3, raising=False)
    size = dictionary.path.stat().st_size // dictionary.d_sae
    few = dictionary.columns([7, 3])
    assert asked == [(7 * size, size), (3 * size, size)]
    many = dictionary.columns(list(range(dictionary.d_sae)))
    assert len(asked) == 2 and all(torch.equal(a, b[[7, 3]]) for a, b in zip(few, many, strict=True))
    monkeypatch.delattr(os, "posix_fadvise")  # as on systems that have none
    assert all(torch.equal(a, b) for a, b in zip(few, dictionary.columns([7, 3]), strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_packing_will_write_is_told_before_and_is_nothing_afterwards(fresh, dtype):
    file = fresh / "sae_weights.safetensors"
    save_file({name: tensor.to(dtype) for name, tensor in load_file(file).items()}, file)
    told = unpacked_bytes(fresh)
    assert told == open_dictionary(fresh, 2).path.stat().st_size > 0
    assert unpacked_bytes(fresh) == 0


@pytest.mark.parametrize(
    ("stated", "why"),
    [({"d_sae": 999}, r"has 48 features, but its cfg.json says 999"), ({"architecture": "standard"}, "has thresholds")],
)
def test_a_config_that_contradicts_its_weights_is_refused(fresh, stated, why):
    config = json.loads((fresh / "cfg.json").read_text())
    (fresh / "cfg.json").write_text(json.dumps(config | stated))
    with pytest.raises(AssetError, match=why):
        open_dictionary(fresh, 2)


def test_a_decoder_bias_that_is_not_finite_is_refused(fresh):
    """It is in no feature's record, so the check of records cannot find it."""
    tensors = load_file(fresh / "sae_weights.safetensors")
    tensors["b_dec"][0] = float("nan")
    save_file(tensors, fresh / "sae_weights.safetensors")
    with pytest.raises(AssetError, match=r"not finite \(NaN or infinity\) in its decoder bias"):
        open_dictionary(fresh, 2)
