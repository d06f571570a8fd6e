"""Architectures with local attention under other names, and with states that cannot be repeated: batch == single."""

import numpy as np
import pytest
import torch
import transformers

from core import Edits, Feature, ModelSpec, load
from core.answers.likelihood import Reference
from core.edits.direction import make_direction
from core.forward.branches import unedited_branches
from core.forward.consistency import TESTED, why_alone
from tests.conftest import LAYERS, make_tokenizer
from tests.oracles import PROMPTS, slow

WINDOW = 16
SMALL = {
    "vocab_size": 320,
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.25,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "max_position_embeddings": 256,
}
GROUPED = SMALL | {"num_key_value_heads": 2, "head_dim": 8}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}
LINEAR = {
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"] * 2,
}
GPT_NEO = {
    "vocab_size": 320,
    "hidden_size": 32,
    "num_layers": 4,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 2]],
    "intermediate_size": 64,
    "max_position_embeddings": 256,
    "window_size": WINDOW,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "initializer_range": 0.25,
}
LLAMA_4 = {
    "num_local_experts": 4,
    "intermediate_size_mlp": 64,
    "interleave_moe_layer_step": 2,
    "attention_chunk_size": 32,
}
#: Some prompts here are longer than 30 tokens: in a batch with them transformers would turn all prompts' positions.
LONG_ROPE = {
    "rope_type": "longrope",
    "rope_theta": 10000.0,
    "short_factor": [1.0] * 4,
    "long_factor": [4.0, 6.0, 8.0, 16.0],
    "original_max_position_embeddings": 30,
}
CONFIGS = {
    "GPTNeo": lambda: transformers.GPTNeoConfig(**GPT_NEO),
    "Llama4": lambda: transformers.Llama4TextConfig(**GROUPED | LLAMA_4),
    "Qwen3Next": lambda: transformers.Qwen3NextConfig(**GROUPED | EXPERTS | LINEAR),
    "Lfm2": lambda: transformers.Lfm2Config(
        **SMALL | {"num_key_value_heads": 2, "layer_types": ["conv", "full_attention"] * 2, "block_multiple_of": 8}
    ),
    "LongRope": lambda: transformers.LlamaConfig(**GROUPED | {"rope_parameters": LONG_ROPE}),
    "Granite": lambda: transformers.GraniteConfig(**SMALL | {"num_key_value_heads": 2, "logits_scaling": 8.0}),
}
ALONE = {"Qwen3Next", "Lfm2", "LongRope"}


@pytest.fixture(scope="module", params=CONFIGS)
def other(request, tmp_path_factory, tiny_folder):
    """(name, engine, the same weights without hooks), each tiny and random."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(1)
    transformers.AutoModelForCausalLM.from_config(CONFIGS[request.param]()).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    spec = ModelSpec(request.param, str(folder), LAYERS, (40,), {n: tiny_folder / f"layer_{n}" for n in LAYERS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        engine = load(spec, device="cpu", dtype="float32")
    engine.use_direction(make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2))
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return request.param, engine, plain


SETS = [Edits(), Edits.ablate([Feature(2, 3), Feature(1, 4), Feature(3, 5)])]


def test_answers_together_are_those_one_by_one(other):
    _, engine, _ = other
    together = engine.answers(list(PROMPTS), SETS, 8)
    assert together == [["".join(engine.generate(text, edits, 8)) for edits in SETS] for text in PROMPTS]


def test_measurements_together_are_those_of_the_slow_path(other, tiny_saes):
    _, engine, plain = other
    found = engine.measure(list(PROMPTS), SETS)
    for row, text in enumerate(PROMPTS):
        for column, edits in enumerate(SETS):
            expected = slow(plain, tiny_saes, engine.prompt(text), edits).logits[-1].softmax(-1)[40]
            assert found.p_refusal[row, column] == pytest.approx(float(expected), rel=1e-3)


def test_likelihoods_and_questions_together_are_those_one_by_one(other):
    _, engine, _ = other
    texts, answers = PROMPTS[:2], ["I cannot do that, sorry.", "Sure: water, flour and salt."]
    together = Reference(engine.runtime).measure(texts, answers)
    for text, answer, found in zip(texts, answers, together, strict=True):
        (alone,) = Reference(engine.runtime).measure([text], [answer])
        assert np.allclose([*alone], [*found], rtol=1e-3, atol=1e-4)
    families = [[engine.prompt(f"{text} {end}") for end in ("Why?", "How often?")] for text in PROMPTS[:2]]
    for chunk, member, logits in unedited_branches(engine.runtime, families):
        for row, family in enumerate(chunk):
            ((_, _, alone),) = unedited_branches(engine.runtime, [[families[family][member]]])
            torch.testing.assert_close(logits[row], alone[0], rtol=1e-3, atol=1e-3)


def test_what_runs_alone_says_why(other):
    name, engine, _ = other
    kind = engine.model.config.model_type
    assert bool(engine.runtime.alone) is (name in ALONE) and (engine.runtime.alone in engine.placement)
    assert engine.runtime.window == {"GPTNeo": WINDOW, "Llama4": 32}.get(name)
    if name in ALONE:
        why = "model's rotary positions (longrope)" if name == "LongRope" else f"architecture ({kind})"
        assert engine.runtime.alone.startswith(f"Prompts are run one by one, because this {why}")
    assert (kind in TESTED) is (name in ("GPTNeo", "Llama4", "LongRope"))


def test_a_model_whose_batches_are_wrong_is_noticed(tiny, monkeypatch):
    """The tiny Llama with a disturbance of every batch of several rows, under a name that is not known."""
    runtime = tiny.runtime
    monkeypatch.setattr(runtime.model.config, "model_type", "unheard_of")
    assert why_alone(runtime) == ""
    handle = runtime.model.lm_head.register_forward_hook(
        lambda module, args, out: out + torch.randn_like(out) if len(out) > 1 else out
    )
    try:
        assert "in a batch, its numbers are not those of each prompt alone" in why_alone(runtime)
    finally:
        handle.remove()
