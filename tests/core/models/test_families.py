"""Other architectures, tiny and random: blocks that return tuples, parallel residuals, sliding windows, soft caps."""

import numpy as np
import pytest
import torch
import transformers

from core import Edits, Feature, ModelSpec, load
from core.edits.direction import make_direction
from core.hydra import hold_parts, self_repair
from core.measures.last_token import PARTS
from tests.conftest import LAYERS, make_tokenizer
from tests.core.hydra.plain_writes import logit, run
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


@pytest.mark.parametrize("ablated", ["features", "direction"])
def test_self_repair_is_that_of_plain_hooks(family, tiny_saes, ablated):
    """Parts in parallel, norms behind the parts, layer norms: what each adds, the read-out, and parts that are held."""
    engine, plain = family
    features, unit = [Feature(1, i) for i in range(48)], engine.direction().vector
    prompt, text = engine.prompt(PROMPTS[1]), PROMPTS[1]
    if ablated == "features":
        edits, how = Edits.ablate(features), {"features": features}
    else:
        edits, how = Edits.ablate_direction(engine.direction()), {"direction": (unit, 1.0)}
    base = run(plain, tiny_saes, prompt)
    slow, held = (run(plain, tiny_saes, prompt, held=parts, **how) for parts in ({}, base.parts))

    def change(h):
        return logit(plain, h, (40,), base.final) - logit(plain, base.final, (40,))

    close = {"abs": 2e-3, "rel": 1e-3}  # float32; some of these residual streams are of size 100
    (found,) = self_repair(engine, text, [edits])
    assert found.split and found.end == pytest.approx(change(slow.final), **close)
    assert found.direct == pytest.approx(change(held.final), **close)
    for layer in range(2 if ablated == "features" else 0, 4):
        for part in PARTS:
            new, old = slow.parts[layer, part], base.parts[layer, part]
            if ablated == "direction":
                new, old = (one - (one @ unit) * unit for one in (new, old))
            assert found.blocks[part][layer] == pytest.approx(change(base.final + new - old), **close)
    cut = hold_parts(engine, text, edits, [(n, part) for n in range(found.lowest + 1, 4) for part in PARTS])
    assert cut.change["held"] == pytest.approx(found.direct, **close)
    capped = engine.spec.name == "Gemma2"  # its head caps logits softly; the read-out is of what goes in
    if not capped:
        after, before = (float(one.logits[40] - one.logits.mean()) for one in (slow, base))
        assert found.total == pytest.approx(after - before, **close)


def test_where_parts_do_not_add_up_blocks_alone_are_given(family, monkeypatch):
    engine, _ = family
    (whole,) = self_repair(engine, PROMPTS[1], [Edits.ablate([Feature(1, i) for i in range(48)])])
    monkeypatch.setattr("core.measures.last_token.ROUNDING", -1)
    (found,) = self_repair(engine, PROMPTS[1], [Edits.ablate([Feature(1, i) for i in range(48)])])
    assert not found.split and found.blocks["attention"].isna().all() and found.restoring(3) == []
    np.testing.assert_allclose(found.blocks["response"], whole.blocks["response"], atol=2e-3)
