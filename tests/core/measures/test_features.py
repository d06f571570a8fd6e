"""Whole dictionaries over one prompt, against SAELens's own encode and decode."""

import numpy as np
import pandas as pd
import pytest
import torch

from core import Edits, Feature
from tests.oracles import PROMPTS, random_edits, slow

# Encoding in float32 with sums in another order; activations are of size 10.
CLOSE = {"rtol": 1e-5, "atol": 1e-4}


def dense(frame, n_positions):
    """layer → [positions, features], zeros where the frame has no row."""
    found = {layer: np.zeros((n_positions, 48), dtype=np.float32) for layer in (1, 2, 3)}
    for row in frame.itertuples():
        found[row.layer][row.position, row.index] = row.activation
    return found


@pytest.fixture(params=[48, 5], ids=["one block", "small blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr("core.saes.device_cache.PART", request.param)


@pytest.mark.parametrize("seed", [None, 3, 4, 5, 6])
def test_features_are_saelens_own_under_any_edits(tiny, plain, tiny_saes, seed, blocks):
    edits = Edits() if seed is None else random_edits(seed, tiny.direction())
    prompt = tiny.prompt(PROMPTS[1])
    frame = tiny.features(PROMPTS[1], edits)
    before = slow(plain, tiny_saes, prompt, edits).before
    for layer, found in dense(frame, len(prompt)).items():
        np.testing.assert_allclose(found, tiny_saes[layer].encode(before[layer]).detach(), **CLOSE)


def test_the_table_is_sorted_and_says_token_and_cosine(tiny, tiny_saes):
    frame = tiny.features(PROMPTS[0])
    assert list(frame.columns) == ["layer", "index", "position", "token", "activation", "cosine"]
    assert (frame["activation"] > 0).all() and frame["activation"].dtype == np.float32
    assert all(frame[name].dtype == np.int64 for name in ("layer", "index", "position"))
    keys = frame[["layer", "index", "position"]]
    pd.testing.assert_frame_equal(keys, keys.sort_values(["layer", "index", "position"], ignore_index=True))
    assert not keys.duplicated().any()
    pieces, unit = tiny.prompt(PROMPTS[0]).pieces, tiny.direction().vector
    for layer, index, position, token, cosine in frame[["layer", "index", "position", "token", "cosine"]].itertuples(
        index=False
    ):
        row = tiny_saes[layer].W_dec[index].detach()
        assert token == pieces[position]
        assert cosine == pytest.approx(torch.cosine_similarity(row, unit, dim=0).item(), abs=1e-6)


def test_watching_gives_what_features_gives(tiny):
    watch = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]
    for edits in (Edits(), random_edits(8, tiny.direction()), Edits.clamp(watch[:60], 3.0)):
        watched = tiny.measure(PROMPTS[0], edits, watch).activations[0, 0]
        frame = tiny.features(PROMPTS[0], edits)
        expected = np.zeros_like(watched)
        rows = {feature: row for row, feature in enumerate(watch)}
        for layer, index, position, value in frame[["layer", "index", "position", "activation"]].itertuples(
            index=False
        ):
            expected[rows[layer, index], position] = value
        np.testing.assert_allclose(watched, expected, **CLOSE)


def test_some_dormant_features_wake_under_an_edit(tiny):
    """The phenomenon the project is about, on random weights: read before the layer's own edit."""

    def active(edits):
        return set(tiny.features(PROMPTS[0], edits)[["layer", "index"]].itertuples(index=False, name=None))

    woken = active(Edits.clamp([Feature(1, i) for i in range(20)], 10.0)) - active(Edits())
    assert woken and all(layer > 1 for layer, _ in woken)


def test_alignment_is_every_decoder_row_against_the_direction(tiny, tiny_saes, blocks):
    frame = tiny.alignment()
    assert list(frame.columns) == ["layer", "index", "cosine"] and len(frame) == 3 * 48
    for layer, part in frame.groupby("layer"):
        expected = torch.cosine_similarity(tiny_saes[layer].W_dec.detach(), tiny.direction().vector[None], dim=-1)
        assert part["index"].tolist() == list(range(48))
        np.testing.assert_allclose(part["cosine"], expected, atol=1e-6)


def test_reconstruction_is_saelens_own(tiny, plain, tiny_saes, blocks):
    frame, prompt = tiny.reconstruction(PROMPTS[1]), tiny.prompt(PROMPTS[1])
    assert list(frame.columns) == ["layer", "position", "token", "norm", "error", "active"]
    before = slow(plain, tiny_saes, prompt).before
    for layer, part in frame.groupby("layer"):
        h, sae = before[layer], tiny_saes[layer]
        assert part["token"].tolist() == list(prompt.pieces)
        np.testing.assert_allclose(part["norm"], h.norm(dim=-1), rtol=1e-5)
        error = (h - sae(h)).norm(dim=-1) / h.norm(dim=-1)
        np.testing.assert_allclose(part["error"], error.detach(), rtol=1e-4)
        np.testing.assert_array_equal(part["active"], (sae.encode(h) > 0).sum(-1))


def test_without_a_direction_the_cosines_are_unknown_and_the_rest_is_the_same(tiny, tiny_spec):
    from core import Engine

    bare = Engine(tiny.runtime, "for a test")
    assert not bare.has_direction
    pd.testing.assert_frame_equal(
        bare.features(PROMPTS[0]).drop(columns="cosine"), tiny.features(PROMPTS[0]).drop(columns="cosine")
    )
    assert bare.features(PROMPTS[0])["cosine"].isna().all()
    assert np.isnan(bare.measure(PROMPTS[0]).cosine).all()


def test_a_prompt_without_active_features_gives_an_empty_table(tiny, monkeypatch):
    monkeypatch.setattr(
        "core.measures.features.activations", lambda x, columns, bias: torch.zeros(len(x), len(columns.bias))
    )
    frame = tiny.features(PROMPTS[0])
    assert frame.empty and list(frame.columns) == ["layer", "index", "position", "token", "activation", "cosine"]


def test_many_prompts_at_once_are_the_same_as_one_at_a_time(tiny):
    together = tiny.activity(PROMPTS)
    for number, text in enumerate(PROMPTS):
        alone = tiny.features(text).drop(columns="token")
        mine = together[together["prompt"] == number].drop(columns="prompt").reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone, check_dtype=False, atol=1e-5, rtol=0)


def test_the_last_tokens_of_some_layers_only(tiny):
    whole = tiny.activity(PROMPTS)
    lengths = np.array([len(tiny.prompt(text)) for text in PROMPTS])
    wanted = whole[whole["layer"].isin([1, 3]) & (whole["position"] >= lengths[whole["prompt"]] - 4)]
    found = tiny.activity(PROMPTS, layers=(1, 3), last=4)
    pd.testing.assert_frame_equal(found, wanted.reset_index(drop=True))
