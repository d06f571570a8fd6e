"""LoRA merged into the weights: W + (alpha / r) · B·A, exactly, or one plain error."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from core import AssetError, load
from core.models.lora import merge_adapter

PARTS = ("model.layers.0.self_attn.q_proj", "model.layers.3.mlp.down_proj", "model.layers.2.self_attn.k_proj")
CONFIG = {"r": 4, "lora_alpha": 6.0, "peft_type": "LORA", "rank_pattern": {}, "use_rslora": False}


def tensors(model, dtype=torch.float32):
    draw, found = torch.Generator().manual_seed(2), {}
    for name in PARTS:
        out, into = model.get_parameter(f"{name}.weight").shape
        found[f"base_model.model.{name}.lora_A.weight"] = torch.randn(4, into, generator=draw).to(dtype)
        found[f"base_model.model.{name}.lora_B.weight"] = torch.randn(out, 4, generator=draw).to(dtype)
    return found


@pytest.fixture
def make(tmp_path, plain):
    def write(config=CONFIG, weights=None):
        folder = tmp_path / "adapter"
        folder.mkdir(exist_ok=True)
        (folder / "adapter_config.json").write_text(json.dumps(config))
        save_file(tensors(plain) if weights is None else weights, folder / "adapter_model.safetensors")
        return folder

    return write


def fresh(tiny_folder):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(tiny_folder / "model", dtype=torch.float32)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_merging_adds_the_scaled_product_and_nothing_else(make, plain, tiny_folder, dtype):
    weights = tensors(plain, dtype)
    model = fresh(tiny_folder)
    merge_adapter(model, make(weights=weights))
    for name, parameter in model.named_parameters():
        base, part = plain.get_parameter(name), name.removesuffix(".weight")
        if part in PARTS:
            a, b = (weights[f"base_model.model.{part}.lora_{x}.weight"].float() for x in "AB")
            torch.testing.assert_close(parameter, base + 6.0 / 4 * (b @ a), rtol=1e-6, atol=1e-6)
            assert not torch.equal(parameter, base)
        else:
            assert torch.equal(parameter, base)


def test_a_loaded_model_has_its_adapter_merged(make, plain, tiny_spec, tiny_folder):
    folder = make()
    engine = load(replace(tiny_spec, adapter=folder), device="cpu", dtype="float32")
    model = fresh(tiny_folder)
    merge_adapter(model, folder)
    ids = torch.arange(20)[None]
    with torch.inference_mode():
        assert torch.equal(engine.model(input_ids=ids).logits, model.eval()(input_ids=ids).logits)
        assert not torch.equal(engine.model(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_a_missing_adapter_is_one_plain_error(tiny_spec, tmp_path):
    with pytest.raises(AssetError, match="adapter in nowhere cannot be read"):
        load(replace(tiny_spec, adapter=tmp_path / "nowhere"), device="cpu")


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"not an adapter"])
def test_a_corrupt_adapter_is_one_plain_error(make, plain, name, content):
    folder = make()
    (folder / name).write_bytes(content)
    with pytest.raises(AssetError, match="adapter in adapter cannot be read"):
        merge_adapter(plain, folder)


def test_an_adapter_of_another_model_is_one_plain_error(make, tiny_folder, plain):
    weights = tensors(plain)
    other_size = {key: torch.ones(tensor.shape[0] + 1, tensor.shape[1] + 1) for key, tensor in weights.items()}
    other_name = {key.replace("layers.0", "layers.9"): tensor for key, tensor in weights.items()}
    half = {key: tensor for key, tensor in weights.items() if "lora_A" in key}
    for wrong in (other_size, other_name, half):
        with pytest.raises(AssetError, match="does not fit the model"):
            merge_adapter(fresh(tiny_folder), make(weights=wrong))


@pytest.mark.parametrize("option", [{"use_rslora": True}, {"use_dora": True}, {"rank_pattern": {"q_proj": 8}}])
def test_what_is_more_than_plain_lora_is_refused_rather_than_merged_wrongly(make, tiny_folder, option):
    with pytest.raises(AssetError, match="not plain LoRA"):
        merge_adapter(fresh(tiny_folder), make(config=CONFIG | option))


def test_weights_that_are_not_lora_are_refused(make, tiny_folder, plain):
    with pytest.raises(AssetError, match=r"not plain LoRA \(base_model.model.lm_head.weight\)"):
        merge_adapter(
            fresh(tiny_folder), make(weights=tensors(plain) | {"base_model.model.lm_head.weight": torch.ones(2, 2)})
        )


def test_an_adapter_without_weights_is_refused(make, tiny_folder):
    with pytest.raises(AssetError, match="no LoRA weights"):
        merge_adapter(fresh(tiny_folder), make(weights={}))
