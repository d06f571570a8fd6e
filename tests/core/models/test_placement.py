"""Models spread over devices: weights on disk and in main memory give the numbers of the same model loaded plainly.

Several GPUs cannot be had here. What can: main memory and disk, with weights that are nowhere until they are used; and
the “meta” device beside the CPU, which refuses to mix with it as two GPUs refuse each other.
"""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch.overrides import TorchFunctionMode

from core import Edits, Feature, InputError, ModelSpec, load
from core.forward.assembly import load_runtime
from core.forward.passes import Pass, PassRequest
from core.hydra.wakening import refresh
from core.labels.making import label_blocks, sample_residuals
from core.labels.sample import sample_of
from core.measures.direction_search import mean_last
from core.models.architecture import decoder_layers
from core.models.placement import computes_on, layer_devices
from tests.conftest import LAYERS, make_tokenizer
from tests.oracles import PROMPTS, random_conditional_edits, random_edits

SPREAD = {
    "model.embed_tokens": "cpu",
    "model.rotary_emb": "cpu",
    "model.layers.0": "cpu",
    "model.layers.1": "disk",
    "model.layers.2": "cpu",
    "model.layers.3": "disk",
    "model.norm": "disk",
    "lm_head": "disk",
}
TIED = SPREAD | {"model.embed_tokens": "disk"}  # Gemma's head is its embedding, so both are read from one place


@pytest.fixture(scope="module")
def gemma(tiny_folder, tmp_path_factory):
    """A tiny Gemma 2, whose head is its embedding, with the tiny SAEs."""
    folder = tmp_path_factory.mktemp("gemma")
    torch.manual_seed(1)
    config = transformers.Gemma2Config(
        vocab_size=320,
        hidden_size=32,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        intermediate_size=64,
        initializer_range=0.25,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
        max_position_embeddings=256,
        sliding_window=16,
        query_pre_attn_scalar=8,
    )
    transformers.Gemma2ForCausalLM(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return ModelSpec("gemma", str(folder), LAYERS, (40,), {n: tiny_folder / f"layer_{n}" for n in LAYERS})


@pytest.fixture(scope="module", params=["llama", "gemma"])
def both(request, tiny, tiny_spec, gemma, tmp_path_factory):
    """(loaded plainly, spread over main memory and disk) of one model."""
    spec = tiny_spec if request.param == "llama" else gemma
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        found = [load(spec, device, "float32") for device in ("cpu", SPREAD if request.param == "llama" else TIED)]
    for engine in found:
        engine.use_direction(tiny.direction())
    return found


def spread_map(engine):
    """Where accelerate says that the parts lie."""
    return engine.model.hf_device_map


def edit_sets(engine):
    direction = engine.direction()
    return [
        Edits(),
        Edits.ablate_direction(direction),
        Edits.add_direction(direction, 2.0),
        Edits.ablate([(1, 3), (3, 4)]),
        Edits.clamp([(2, 5), (3, 1)], 4.0, "bos"),
        random_edits(3, direction),
        random_conditional_edits(4, direction),
    ]


def test_the_weights_are_nowhere_until_they_are_used(both):
    plain, spread = both
    spread.measure(PROMPTS[0], Edits.ablate_direction(spread.direction()))
    away = {name for name, parameter in spread.model.named_parameters() if parameter.is_meta}
    assert any(".layers.1." in name for name in away) and any(".layers.3." in name for name in away)
    assert "model.norm.weight" in away and not any(".layers.2." in name for name in away)
    assert not any(parameter.is_meta for parameter in plain.model.parameters())
    assert set(spread.runtime.devices) == {torch.device("cpu")} and spread.runtime.device == torch.device("cpu")
    asked = "disk and cpu" if TIED.items() <= spread_map(spread).items() else "cpu and disk"
    assert spread.placement == f"cpu, float32: on {asked} as requested; float32 as requested"


@pytest.mark.parametrize("prompts", [PROMPTS[:1], PROMPTS])
def test_measurements_are_equal_to_the_bit(both, prompts):
    watch = [Feature(layer, index) for layer in LAYERS for index in range(0, 48, 7)]
    one, other = (e.measure(list(prompts), edit_sets(e), watch, kl=True, every_token=True) for e in both)
    for name in ("p_refusal", "refusal_score", "cosine", "token_cosine", "activations", "kl"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)
    assert (one.activations > 0).any()


def test_answers_are_equal(both):
    plain, spread = both
    sets = edit_sets(plain)
    assert plain.answers(PROMPTS[:3], sets, 6) == spread.answers(PROMPTS[:3], sets, 6)
    for edits in sets:
        assert list(plain.generate(PROMPTS[0], edits, 6)) == list(spread.generate(PROMPTS[0], edits, 6))


def test_what_the_saes_say_is_equal_to_the_bit(both):
    found = []
    for engine in both:
        sets = edit_sets(engine)
        woken = refresh(engine, PROMPTS[1], sets[1])
        sample = sample_of(engine, PROMPTS)
        labels = list(label_blocks(engine, sample, 2, sample_residuals(engine, sample, [2])[2]))
        found.append(
            [
                engine.features(PROMPTS[0], sets[5]),
                engine.reconstruction(PROMPTS[1]),
                engine.alignment(),
                engine.activity(list(PROMPTS)),
                woken.marks,
                woken.margins,
                *labels,
            ]
        )
        found[-1].append(engine.cross_entropy(PROMPTS, sets[5]))
    *frames, (one, other) = list(zip(*found, strict=True))
    for left, right in frames:
        pd.testing.assert_frame_equal(left, right, check_exact=True)
        assert len(left)
    np.testing.assert_array_equal(one, other)


def test_the_plain_model_stays_the_plain_model(both):
    ids = torch.tensor([both[0].prompt(PROMPTS[0]).ids])
    with torch.no_grad():
        one, other = (engine.model(ids).logits for engine in both)
    assert torch.equal(one, other) and one.shape[1] == ids.shape[1]


def test_means_of_the_residual_stream_are_equal_to_the_bit(both):
    one, other = (mean_last(engine.runtime, [engine.prompt(text) for text in PROMPTS]) for engine in both)
    assert torch.equal(one, other)


def test_what_is_stopped_half_way_leaves_weights_away(both):
    _, spread = both
    runtime, prompt = spread.runtime, spread.prompt(PROMPTS[0])
    plan = runtime.plan([Edits()])
    current = Pass(
        plan,
        torch.zeros(1, dtype=torch.int64),
        runtime.groups(plan, [prompt], 0, len(prompt)),
        request=PassRequest(residuals=frozenset([1]), stop_after=1),
    )
    before = {name for name, parameter in spread.model.named_parameters() if parameter.is_meta}
    runtime.read(current, runtime.ids([prompt], 0, len(prompt)))
    assert {name for name, parameter in spread.model.named_parameters() if parameter.is_meta} == before
    assert current.residuals[1].shape == (1, len(prompt), 32)


def test_a_spread_model_lets_go_of_everything(tiny_spec):
    engine = load(tiny_spec, SPREAD, "float32")
    engine.measure(PROMPTS[0], Edits.ablate([(1, 3)]))
    gone = [weakref.ref(engine.model), weakref.ref(engine.runtime)]
    del engine
    gc.collect()
    assert [ref() for ref in gone] == [None, None]


def test_auto_spreads_only_what_is_too_large(tiny_spec, monkeypatch, tiny):
    fits = load(tiny_spec, "auto", "float32")
    assert not any(p.is_meta for p in fits.model.parameters()) and "spread" not in fits.placement
    weights = sum(p.numel() * 4 for p in fits.model.parameters())
    monkeypatch.setattr("core.devices.free_memory", lambda device: int(weights / 0.8 * 0.6))
    spread = load(tiny_spec, "auto", "float32")
    assert "too large for this device, so spread over main memory and disk" in spread.placement
    away = sum(p.numel() * 4 for p in spread.model.parameters() if p.is_meta)
    assert 0.3 * weights < away < weights
    np.testing.assert_array_equal(spread.measure(PROMPTS[0]).p_refusal, tiny.measure(PROMPTS[0]).p_refusal)


def test_bfloat16_on_disk_is_not_upcast_and_equal_to_transformers(tiny_spec, tiny_folder, monkeypatch):
    """Upcasting replaces what accelerate has put there, so a spread model goes without it, on every processor."""
    monkeypatch.setattr("core.forward.half_precision.helps", lambda device, dtype: True)
    spread = load(tiny_spec, SPREAD, "bfloat16")
    plain = transformers.LlamaForCausalLM.from_pretrained(tiny_folder / "model", dtype=torch.bfloat16).eval()
    prompt = spread.prompt(PROMPTS[1])
    found = spread.runtime
    plan = found.plan([Edits()])
    groups = found.groups(plan, [prompt], 0, len(prompt))
    logits = found.forward(Pass(plan, torch.zeros(1, dtype=torch.int64), groups), torch.tensor([prompt.ids])).logits
    with torch.no_grad():
        assert torch.equal(logits, plain(torch.tensor([prompt.ids])).logits)


def test_maps_that_cannot_be_are_one_plain_error(tiny_spec):
    cut = SPREAD | {"model.layers.1.mlp": "cpu"}
    del cut["model.layers.1"]
    for wrong, said in (
        (SPREAD | {"lm_head": "gpu"}, "The device “gpu” cannot be used here"),
        (SPREAD | {"model.norm": "cuda:77"}, "The device “cuda:77” cannot be used here"),
        (cut, "“tiny” cannot be loaded from"),
    ):
        with pytest.raises(Exception, match=said) as caught:
            load(tiny_spec, wrong, "float32")
        assert type(caught.value).__name__ in ("InputError", "AssetError") and "\n" not in str(caught.value)


def test_an_adapter_cannot_be_merged_into_a_spread_model(tiny_spec, tmp_path):
    with pytest.raises(
        InputError, match=r"has an adapter to merge, so it cannot be spread over devices\. Choose one device"
    ):
        load(replace(tiny_spec, adapter=tmp_path), SPREAD)


@pytest.fixture
def two_devices(tiny_spec):
    """The tiny model with its layers 2 and 3 on the meta device, as accelerate would put them on a second GPU."""
    runtime, _ = load_runtime(tiny_spec, "cpu", "float32", lambda message, share: None)
    layers = decoder_layers(runtime.model)
    for layer in layers[2:]:
        add_hook_to_module(layer.to("meta"), AlignDevicesHook(execution_device="meta"))
    assert computes_on(layers[0]) == {torch.device("cpu")} and computes_on(layers[3]) == {torch.device("meta")}
    return replace(runtime, devices=layer_devices(layers))


class OnlyItsOwnDevice(TorchFunctionMode):
    """A table may be indexed from its own device only: the CPU may index any, so the devices here would not say so."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func is torch.Tensor.__getitem__:
            where = args[1] if isinstance(args[1], tuple) else (args[1],)
            assert {one.device for one in where if isinstance(one, torch.Tensor)} <= {args[0].device}
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("every_token", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_each_layers_tables_are_on_its_own_device(two_devices, tiny, seed, every_token):
    runtime, direction = two_devices, tiny.direction()
    sets = [
        Edits(),
        Edits.ablate_direction(direction, "last"),
        Edits.add_direction(replace(direction, layer=3), 2.0),
        random_edits(seed, direction),
        random_conditional_edits(seed, direction),
        Edits.ablate([(1, 2), (3, 5)], strength=0.5),
        Edits.clamp([(3, 7)], 2.0, when=(Feature(1, 4), 0.5)),
    ]
    watch, prompt = [Feature(n, i) for n in LAYERS for i in (0, 30)], tiny.prompt(PROMPTS[1])
    plan, same = runtime.plan(sets, watch), [prompt] * len(sets)
    request = PassRequest(direction.vector, every_token, frozenset(range(4)), 3)
    current = Pass(
        plan,
        torch.arange(len(sets)),
        runtime.groups(plan, same, 0, len(prompt)),
        torch.full((len(sets),), len(prompt) - 1),
        request,
    )
    ids = runtime.ids(same, 0, len(prompt))
    with OnlyItsOwnDevice():
        runtime.read(current, ids)
    for found in (current.cosine, current.watched, current.residuals):
        assert {layer: str(tensor.device) for layer, tensor in found.items()}.items() <= {
            0: "cpu",
            1: "cpu",
            2: "meta",
            3: "meta",
        }.items()
    assert set(current.watched) == {1, 2, 3} and set(current.cosine) == {0, 1, 2, 3}
    plain = Pass(tiny.runtime.plan(sets, watch), current.rows, current.groups, current.last, request)
    tiny.runtime.read(plain, ids)
    assert torch.equal(plain.cosine[1], current.cosine[1]) and torch.equal(plain.watched[1], current.watched[1])
    assert {n: x.shape for n, x in plain.watched.items()} == {n: x.shape for n, x in current.watched.items()}
