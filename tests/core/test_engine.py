"""The surface that scripts outside this repository rely on, as they would use it."""

import inspect
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import core
from core import Direction, Edits, Engine, Feature, InputError, Measurement, ModelSpec, Prompt, load
from core.edits.direction import make_direction, save_direction
from tests.oracles import PROMPTS


def test_the_example_in_the_design_works(tiny_spec, tiny):
    engine = load(tiny_spec)
    engine.use_direction(tiny.direction())
    direction = engine.direction()
    off = Edits.ablate([Feature(1, 40), Feature(2, 7)])
    clamp = Edits.clamp([Feature(1, 40)], value=6.0, positions="bos")
    nodir = Edits.ablate_direction(direction)
    both = off + clamp
    m = engine.measure(["a prompt", "another"], [Edits(), off, both, nodir], watch=[Feature(3, 3)])
    assert isinstance(m, Measurement) and isinstance(direction, Direction)
    assert m.p_refusal.shape == m.refusal_score.shape == (2, 4) and m.p_refusal.dtype == np.float64
    assert m.cosine.shape == (2, 4, 4) and m.cosine.dtype == np.float32
    assert m.activations.shape == (2, 4, 1, max(map(len, m.tokens)))
    assert [len(pieces) for pieces in m.tokens] == [len(engine.prompt(text)) for text in ("a prompt", "another")]
    frame = engine.features("a prompt")
    assert list(frame.columns) == ["layer", "index", "position", "token", "activation", "cosine"]
    prompt = engine.prompt("a prompt")
    assert isinstance(prompt, Prompt) and len(prompt.ids) == len(prompt.pieces) and "instruction" in prompt.spans
    assert engine.spec.name == "tiny" and engine.spec.model_id and engine.spec.layers == (1, 2, 3)
    assert engine.spec.refusal_tokens == tuple(engine.runtime.tokenizer("I").input_ids)
    answer = "".join(engine.generate("a prompt", off, max_new_tokens=8))
    assert answer == engine.answers(["a prompt"], [off], 8)[0][0]
    assert direction.layer == 2 and direction.position == -1 and direction.vector.shape == (32,)
    assert direction.provenance == {} and isinstance(engine.spec, ModelSpec)


def test_everything_promised_is_exported():
    for name in ("Edits", "Feature", "load", "ModelSpec", "Engine", "InputError", "AssetError", "Verdict"):
        assert name in core.__all__ and hasattr(core, name)
    assert list(core.__all__) == [name for name in core.__all__ if hasattr(core, name)]


def test_the_promised_arguments_have_the_promised_names():
    assert list(inspect.signature(load).parameters)[:1] == ["model"]
    assert list(inspect.signature(Engine.measure).parameters)[1:4] == ["prompts", "edits", "watch"]
    assert list(inspect.signature(Engine.generate).parameters)[1:4] == ["prompt", "edits", "max_new_tokens"]
    assert list(inspect.signature(Edits.clamp).parameters) == ["features", "value", "positions", "strength", "when"]
    assert list(inspect.signature(Edits.ablate).parameters) == ["features", "positions", "strength"]


def test_the_model_is_a_plain_transformers_model(tiny, plain):
    assert type(tiny.model) is type(plain)
    ids = torch.tensor([tiny.prompt(PROMPTS[0]).ids])
    with torch.inference_mode():
        mine, theirs = (m(input_ids=ids, output_hidden_states=True) for m in (tiny.model, plain))
    assert torch.equal(mine.logits, theirs.logits)
    assert all(torch.equal(a, b) for a, b in zip(mine.hidden_states, theirs.hidden_states, strict=True))
    answer = {"max_new_tokens": 5, "do_sample": False, "pad_token_id": 1}
    assert torch.equal(tiny.model.generate(ids, **answer), plain.generate(ids, **answer))


def test_unedited_answers_are_transformers_own(tiny, plain):
    for text in PROMPTS:
        ids = torch.tensor([tiny.prompt(text).ids])
        whole = plain.generate(ids, max_new_tokens=10, do_sample=False, pad_token_id=1)[0, ids.shape[1] :]
        expected = tiny.runtime.tokenizer.decode(whole, skip_special_tokens=True)
        assert "".join(tiny.generate(text, max_new_tokens=10)) == expected


def test_one_prompt_and_one_set_need_no_lists(tiny):
    off = Edits.ablate([Feature(1, 2)])
    assert tiny.measure(PROMPTS[0], off).p_refusal == tiny.measure([PROMPTS[0]], [off]).p_refusal
    assert tiny.measure(PROMPTS[0]).p_refusal == tiny.measure((PROMPTS[0],), (Edits(),)).p_refusal
    assert tiny.measure((text for text in PROMPTS[:2]), iter([off])).p_refusal.shape == (2, 1)


def test_the_same_call_twice_gives_the_same(tiny):
    def once():
        return tiny.measure(list(PROMPTS), [Edits(), Edits.ablate([Feature(1, 2)])], kl=True)

    np.testing.assert_array_equal(once().refusal_score, once().refusal_score)
    pd.testing.assert_frame_equal(tiny.features(PROMPTS[0]), tiny.features(PROMPTS[0]))


def test_without_a_direction_the_engine_says_how_to_get_one(tiny):
    bare = Engine(tiny.runtime, "for a test")
    assert not bare.has_direction and tiny.has_direction
    for call in (bare.direction, bare.alignment):
        with pytest.raises(InputError, match="compute_direction"):
            call()


def test_a_shipped_direction_is_read_and_a_computed_one_comes_first(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "cache"))
    shipped, computed = make_direction(torch.ones(32), 1), make_direction(torch.arange(32.0), 2)
    save_direction(shipped, tmp_path / "shipped.safetensors")
    runtime = replace(tiny.runtime, spec=replace(tiny.spec, direction=tmp_path / "shipped.safetensors"))
    assert Engine(runtime, "for a test").direction() == shipped
    save_direction(computed, tmp_path / "cache" / "directions" / "tiny.safetensors")
    assert Engine(runtime, "for a test").direction() == computed
    save_direction(make_direction(torch.ones(8), 1), tmp_path / "cache" / "directions" / "tiny.safetensors")
    assert Engine(runtime, "for a test").direction() == shipped  # one of another model of that name does not fit


def test_checking_edits_says_what_measuring_would(tiny):
    tiny.check(Edits.ablate([Feature(1, 2)]) + Edits.ablate_direction(tiny.direction()))
    with pytest.raises(InputError):
        tiny.check(Edits.ablate([Feature(0, 2)]))


def test_refusal_tokens_can_be_shown_as_text(tiny):
    assert tiny.refusal_pieces == ("I",)
