"""Other architectures, tiny and random: blocks that return tuples, parallel residuals, sliding windows, soft caps."""

import numpy as np
import pytest
import torch
import transformers

from core import Edits, ModelSpec, load
from core.edits.direction import make_direction
from tests.conftest import LAYERS, make_tokenizer
from tests.oracles import PROMPTS, fast_logits, random_edits, slow, slow_answer

WINDOW = 16  # shorter than most prompts, so that it matters
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
FAMILIES = {
    "GPT2": {
        "vocab_size": 320,
        "n_embd": 32,
        "n_layer": 4,
        "n_head": 4,
        "n_positions": 256,
        "initializer_range": 0.25,
        "bos_token_id": 0,
        "eos_token_id": 1,
    },
    "GPTNeoX": SMALL,
    "Mistral": GROUPED | {"sliding_window": WINDOW},
    "Qwen3": GROUPED,
    "Gemma2": GROUPED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8},
    "Gemma3": GROUPED | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8},
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request, tmp_path_factory, tiny_folder):
    """(engine, the same weights without hooks) of one architecture, with the tiny model's tokenizer and SAEs."""
    folder = tmp_path_factory.mktemp(request.param)
    suffix = "TextConfig" if request.param == "Gemma3" else "Config"
    config = getattr(transformers, request.param + suffix)(**FAMILIES[request.param])
    torch.manual_seed(1)
    head = "LMHeadModel" if request.param == "GPT2" else "ForCausalLM"
    getattr(transformers, request.param + head)(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    spec = ModelSpec(request.param, str(folder), LAYERS, (40,), {n: tiny_folder / f"layer_{n}" for n in LAYERS})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRASCOPE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        engine = load(spec, device="cpu", dtype="float32")
    engine.use_direction(make_direction(torch.randn(32, generator=torch.Generator().manual_seed(9)), 2))
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return engine, plain


def several(engine):
    return [Edits(), Edits.ablate_direction(engine.direction())] + [
        random_edits(seed, engine.direction()) for seed in range(30, 35)
    ]


def test_logits_are_those_of_the_slow_path(family, tiny_saes):
    engine, plain = family
    sets = several(engine)
    together = fast_logits(engine, PROMPTS, sets)
    for row, text in enumerate(PROMPTS):
        alone = fast_logits(engine, [text], sets)[0]
        for column, edits in enumerate(sets):
            expected = slow(plain, tiny_saes, engine.prompt(text), edits).logits[-1]
            # float32 in another order; some of these models' residual streams are of size 100
            torch.testing.assert_close(alone[column], expected, rtol=1e-4, atol=2e-4)
            torch.testing.assert_close(together[row, column], expected, rtol=1e-4, atol=2e-4)


def test_answers_are_those_of_full_recomputation(family, tiny_saes):
    engine, plain = family
    sets, tokens = several(engine)[:4], 8
    texts = [[""] * len(sets) for _ in PROMPTS]
    for row, text in enumerate(PROMPTS):
        for column, edits in enumerate(sets):
            ids = slow_answer(plain, tiny_saes, engine.prompt(text), edits, tokens, engine.runtime.stop_ids)
            texts[row][column] = engine.runtime.tokenizer.decode(ids, skip_special_tokens=True)
            assert "".join(engine.generate(text, edits, tokens)) == texts[row][column]
    assert engine.answers(PROMPTS, sets, tokens) == texts


def test_an_ablated_direction_is_gone_everywhere(family):
    engine, _ = family
    found = engine.measure(list(PROMPTS), Edits.ablate_direction(engine.direction()), every_token=True)
    assert np.nanmax(abs(found.token_cosine)) < 1e-5


def test_only_models_with_sliding_windows_have_one(family):
    engine, _ = family
    assert engine.runtime.window == (WINDOW if engine.spec.name in ("Mistral", "Gemma2", "Gemma3") else None)
