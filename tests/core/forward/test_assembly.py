"""From a spec to an engine: number formats, missing and broken files, progress, and what is never done."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from transformers import LlamaForCausalLM

from core import AssetError, DownloadError, Edits, Feature, InputError, load
from tests.conftest import make_sae
from tests.oracles import PROMPTS, random_edits


@pytest.fixture
def copied(tiny_spec, tmp_path):
    """A spec whose model folder may be spoilt."""
    shutil.copytree(tiny_spec.model_id, tmp_path / "model")
    return replace(tiny_spec, model_id=str(tmp_path / "model"))


def test_a_loaded_model_is_the_saved_one_and_not_in_training(tiny, plain):
    for name, parameter in tiny.model.named_parameters():
        assert torch.equal(parameter, plain.get_parameter(name)) and not parameter.requires_grad
    assert not tiny.model.training and tiny.n_layers == 4 and tiny.widths == {1: 48, 2: 48, 3: 48}
    assert tiny.placement == "cpu, float32: cpu as asked; float32 as asked"
    assert tiny.runtime.context_length == 256 and tiny.runtime.stop_ids == {1}


@pytest.mark.parametrize(("dtype", "score"), [("float16", 0.05), ("bfloat16", 0.5)])
def test_half_precision_measures_close_to_float32(tiny, tiny_spec, dtype, score):
    """float16 keeps 11 bits and bfloat16 8; over 4 random layers log-odds move by about 0.005 and 0.1.

    Pre-activations stay in float32, so the same features are active but for those within rounding of their threshold.
    """
    half = load(tiny_spec, device="cpu", dtype=dtype)
    half.use_direction(tiny.direction())
    sets = [Edits(), Edits.ablate_direction(tiny.direction()), *(random_edits(s, tiny.direction()) for s in range(4))]
    watch = [Feature(2, i) for i in range(48)]
    exact, rough = (engine.measure(list(PROMPTS), sets, watch, kl=True) for engine in (tiny, half))
    assert abs(exact.refusal_score - rough.refusal_score).max() < score
    assert abs(exact.cosine - rough.cosine).max() < score / 5
    agree = (exact.activations > 0) == (rough.activations > 0)
    assert agree.mean() > 0.97
    assert rough.p_refusal.dtype == np.float64 and rough.activations.dtype == np.float32
    assert np.isfinite(rough.kl).all() and (rough.kl[:, 0] < 1e-6).all()
    assert (
        half.model.dtype == getattr(torch, dtype)
        and half.runtime.columns(half.runtime.dictionaries[1], (0,)).encoder.dtype == torch.float32
    )
    assert isinstance("".join(half.generate(PROMPTS[0], sets[2], 4)), str)


@pytest.mark.parametrize("adapter", [False, True])
def test_what_transformers_keeps_in_float32_stays_so(tiny_spec, tmp_path, adapter):
    """Rotary frequencies in bfloat16 would turn distant tokens by whole radians."""
    if adapter:
        names = [f"base_model.model.model.layers.0.mlp.up_proj.lora_{x}.weight" for x in "AB"]
        save_file(
            dict(zip(names, (torch.ones(1, 32), torch.ones(64, 1)), strict=True)),
            tmp_path / "adapter_model.safetensors",
        )
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 1, "lora_alpha": 1.0}))
        tiny_spec = replace(tiny_spec, adapter=tmp_path)
    half = load(tiny_spec, device="cpu", dtype="bfloat16")
    exact = LlamaForCausalLM.from_pretrained(tiny_spec.model_id, dtype=torch.bfloat16)
    assert {p.dtype for p in half.model.parameters()} == {torch.bfloat16}
    for name, buffer in exact.named_buffers():
        assert torch.equal(buffer, half.model.get_buffer(name)) and half.model.get_buffer(name).dtype == torch.float32


def test_progress_goes_forward_and_ends_at_one(tiny_spec):
    seen = []
    load(tiny_spec, device="cpu", progress=lambda message, share: seen.append((message, share)))
    shares = [share for _, share in seen]
    assert shares == sorted(shares) and shares[0] >= 0 and shares[-1] == 1
    assert {"Loading the model", "Opening the SAE of layer 2"} <= {message for message, _ in seen}


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_a_load_stopped_from_its_progress_callback_can_be_tried_again(tiny_spec, error):
    def stop(message, share):
        if share > 0.8:
            raise error(message)

    with pytest.raises(error):
        load(tiny_spec, device="cpu", progress=stop)
    assert load(tiny_spec, device="cpu").widths == {1: 48, 2: 48, 3: 48}


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [None, b"", b"{not json", b"\x00" * 40])
def test_a_missing_or_broken_model_file_is_one_plain_error(copied, tmp_path, name, content):
    path = tmp_path / "model" / name
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match="“tiny” cannot be loaded from") as caught:
        load(copied, device="cpu")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_model_that_is_nowhere_is_one_plain_error(tiny_spec, tmp_path):
    for model_id in (str(tmp_path / "nowhere"), "./nowhere"):
        with pytest.raises(AssetError, match="name its folder, or its name on the hub"):
            load(replace(tiny_spec, model_id=model_id), device="cpu")
    with pytest.raises(DownloadError, match="nobody/nothing-at-all"):
        load(replace(tiny_spec, model_id="nobody/nothing-at-all"), device="cpu")


def test_weights_that_are_pickled_are_not_read(copied, tmp_path):
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(b"a pickle, or so it says")
    with pytest.raises(AssetError):
        load(copied, device="cpu")


def test_a_models_own_code_is_not_run(copied, tmp_path):
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w').close()\nclass Sly: pass\n"
    (tmp_path / "model" / "modeling_sly.py").write_text(code)
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    sly = {
        "model_type": "sly",
        "auto_map": {"AutoConfig": "modeling_sly.Sly", "AutoModelForCausalLM": "modeling_sly.Sly"},
    }
    (tmp_path / "model" / "config.json").write_text(json.dumps(config | sly))
    with pytest.raises(AssetError):
        load(copied, device="cpu")
    assert not ran.exists()


def test_an_sae_that_is_missing_or_does_not_fit_is_one_plain_error(tiny_spec, tmp_path):
    with pytest.raises(AssetError, match="No SAE lies in"):
        load(replace(tiny_spec, saes={1: tmp_path / "none"}), device="cpu")
    make_sae(tmp_path / "wide", 1, d_model=40)
    with pytest.raises(AssetError, match="reads 40 numbers, the model has 4 layers of 32"):
        load(replace(tiny_spec, saes={1: tmp_path / "wide"}), device="cpu")
    with pytest.raises(AssetError, match="does not fit layer 4"):
        load(replace(tiny_spec, saes={4: tiny_spec.saes[3]}), device="cpu")


@pytest.mark.parametrize("tokens", [(), (-1,), (10_000,), (40, 10_000)])
def test_refusal_tokens_the_vocabulary_has_not_are_one_plain_error(tiny_spec, tokens):
    with pytest.raises(InputError, match="refusal tokens of “tiny”"):
        load(replace(tiny_spec, refusal_tokens=tokens), device="cpu")


def test_a_wrong_device_or_format_is_said_before_the_long_work(tiny_spec):
    seen = []
    for wrong in ({"device": "gpu"}, {"dtype": "float64"}):
        with pytest.raises(InputError):
            load(tiny_spec, **wrong, progress=lambda *now: seen.append(now))
    assert not seen


def test_a_model_without_saes_can_be_measured_and_names_what_it_lacks(tiny_spec, tiny):
    bare = load(replace(tiny_spec, saes={}, layers=()), device="cpu", dtype="float32")
    np.testing.assert_array_equal(bare.measure(PROMPTS[0]).p_refusal, tiny.measure(PROMPTS[0]).p_refusal)
    with pytest.raises(InputError, match="Layer 1 has no SAE"):
        bare.measure(PROMPTS[0], Edits.ablate([Feature(1, 2)]))
    assert bare.features(PROMPTS[0]).empty and bare.reconstruction(PROMPTS[0]).empty


def test_two_engines_of_one_model_share_nothing_that_changes(tiny_spec, tiny):
    other = load(tiny_spec, device="cpu", dtype="float32")
    before = other.measure(PROMPTS[0]).p_refusal
    with torch.no_grad():
        next(tiny.model.parameters()).mul_(1)  # a no-op write: the weights are not one memory
    assert next(tiny.model.parameters()).data_ptr() != next(other.model.parameters()).data_ptr()
    np.testing.assert_array_equal(other.measure(PROMPTS[0]).p_refusal, before)
