"""Who wakes: against whole SAELens dictionaries over the slow path, from any batch, and at BOS from any prompt."""

import gc
import types

import numpy as np
import pandas as pd
import pytest
import torch

from core import Edits, Engine, Feature, InputError
from core.forward.token_budget import at_most
from core.hydra import Wakening, bos_baseline, bos_view, refresh
from core.hydra.wakening import ABLATED, MARGINS, MARKS
from tests.oracles import PROMPTS, random_conditional_edits, slow

CLOSE = {"rtol": 1e-5, "atol": 1e-4}  # float32 sums in another order; activations are of size 10
LOWEST = [Feature(1, i) for i in range(20)]
SEVERAL = [
    Edits.ablate(LOWEST),
    Edits.clamp(LOWEST, 10.0),
    Edits.clamp(LOWEST, 10.0, "instruction") + Edits.ablate([Feature(2, i) for i in range(48)]),
]


def pre_and_threshold(sae, h):
    """Pre-activations [positions, features] by SAELens's own weights, and what they must exceed."""
    x = h - sae.b_dec if sae.cfg.apply_b_dec_to_input else h
    pre, threshold = x @ sae.W_enc + sae.b_enc, sae.threshold.clamp_min(0)
    assert torch.equal(pre > threshold, sae.encode(h) > 0)
    return pre, threshold


@torch.no_grad()
def brute_force(plain, saes, prompt, edits):
    """(layer, index) → (before, after) pre-activations [positions] and threshold, over every feature."""
    before, after = slow(plain, saes, prompt).before, slow(plain, saes, prompt, edits).before
    found = {}
    for layer, sae in saes.items():
        (one, least), (other, _) = (pre_and_threshold(sae, h[layer]) for h in (before, after))
        for index in range(one.shape[1]):
            found[layer, index] = one[:, index].numpy(), other[:, index].numpy(), float(least[index])
    return found


@pytest.fixture(params=[48, 5], ids=["one block", "small blocks"])
def blocks(request, monkeypatch):
    monkeypatch.setattr("core.saes.device_cache.PART", request.param)


def edits_of(tiny, which):
    return SEVERAL[which] if which < 3 else random_conditional_edits(which, tiny.direction())


@pytest.mark.parametrize("which", range(12))
def test_woken_features_are_those_of_a_brute_force_comparison(tiny, plain, tiny_saes, which, blocks):
    edits, prompt = edits_of(tiny, which), tiny.prompt(PROMPTS[1])
    everything = brute_force(plain, tiny_saes, prompt, edits)
    found = refresh(tiny, PROMPTS[1], edits, nearly=48 * 3)
    marks = {(r.layer, r.index, r.position): r.activation for r in found.marks.itertuples()}
    margins = {(r.layer, r.index): r for r in found.margins.itertuples()}
    expected, asleep = {}, {}
    for key, (before, after, least) in everything.items():
        if (before <= least).all():
            asleep[key] = after.max() - least
            expected |= {(*key, p): after[p] for p in range(len(prompt)) if after[p] > least}
    assert set(marks) == set(expected)
    for key, value in expected.items():
        assert marks[key] == pytest.approx(value, **{"rel": 1e-5, "abs": 1e-4})
    woken = {key[:2] for key in expected}
    assert {key for key, row in margins.items() if row.state == "woken"} == woken
    lowest = tiny.runtime.plan([edits]).lowest
    reached = {key for key in asleep if key[0] > lowest}
    assert set(margins) == reached and woken <= reached
    for key, row in margins.items():
        before, after, least = everything[key]
        assert row.after == pytest.approx(after.max(), abs=1e-4) and row.threshold == pytest.approx(least, abs=1e-6)
        assert after[row.position] == pytest.approx(after.max(), abs=1e-4)
        assert row.before == pytest.approx(before[row.position], abs=1e-4)


def test_something_wakes_and_something_stays_asleep(tiny):
    """What the tests above compare is not empty."""
    found = refresh(tiny, PROMPTS[1], SEVERAL[1])
    assert len(found.woken) > 3 and (found.margins["state"] == "nearly").any()
    assert len(refresh(tiny, PROMPTS[1], SEVERAL[0]).ablated) > 3


@pytest.mark.parametrize("nearly", [0, 3, 50])
def test_the_nearly_woken_are_the_closest(tiny, nearly):
    every = refresh(tiny, PROMPTS[1], SEVERAL[1], nearly=48 * 3).margins
    found = refresh(tiny, PROMPTS[1], SEVERAL[1], nearly=nearly).margins
    asleep = every[every["state"] == "nearly"]
    gap = (asleep["after"] - asleep["threshold"]).to_numpy()
    assert (np.diff(gap) <= 0).all() and gap.max() <= 0
    woken = (every["state"] == "woken").sum()
    pd.testing.assert_frame_equal(found, every.iloc[: woken + nearly])


def test_frames_have_the_columns_they_promise(tiny):
    found = refresh(tiny, PROMPTS[1], SEVERAL[1])
    prompt = tiny.prompt(PROMPTS[1])
    assert list(found.marks) == MARKS and list(found.ablated) == ABLATED and list(found.margins) == MARGINS
    assert found.pieces == prompt.pieces and found.spans == prompt.spans
    assert found.marks["bos"].tolist() == (found.marks["position"] == 0).tolist()
    assert [prompt.pieces[p] for p in found.marks["position"]] == found.marks["token"].tolist()
    aligned = tiny.alignment().set_index(["layer", "index"])["cosine"]
    for frame in (found.marks, found.ablated, found.margins):
        assert all(frame[name].dtype == np.int64 for name in ("layer", "index", "position"))
        expected = [aligned[r.layer, r.index] for r in frame.itertuples()]
        np.testing.assert_allclose(frame["cosine"], expected, atol=1e-6)
    for frame in (found.marks, found.ablated):
        keys = frame[["layer", "index", "position"]]
        pd.testing.assert_frame_equal(keys, keys.sort_values(["layer", "index", "position"], ignore_index=True))


def test_probabilities_are_those_measured(tiny):
    found = refresh(tiny, PROMPTS[1], SEVERAL[1])
    measured = tiny.measure(PROMPTS[1], [Edits(), SEVERAL[1]])
    np.testing.assert_allclose(found.p, measured.p_refusal[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.score, measured.refusal_score[0], rtol=0, atol=1e-4)


def test_the_ablated_are_shown_where_they_fire_unedited(tiny):
    edits = Edits.ablate([Feature(layer, i) for layer in (1, 2, 3) for i in range(0, 48, 2)])
    found = refresh(tiny, PROMPTS[0], edits).ablated
    active = tiny.features(PROMPTS[0])
    expected = active[active["index"] % 2 == 0].reset_index(drop=True)
    pd.testing.assert_frame_equal(found, expected[ABLATED], check_exact=False, **CLOSE)


def test_woken_is_one_row_a_feature_strongest_first(tiny):
    found = refresh(tiny, PROMPTS[1], SEVERAL[1])
    assert (found.woken["activation"].diff().dropna() <= 0).all()
    assert len(found.woken) == len(found.marks.drop_duplicates(["layer", "index"]))
    for row in found.woken.itertuples():
        own = found.marks[(found.marks["layer"] == row.layer) & (found.marks["index"] == row.index)]
        assert row.activation == own["activation"].max() and row.bos_only == (own["position"] == 0).all()
        assert row.position == own.loc[own["activation"].idxmax(), "position"]


def assert_same(one: Wakening, other: Wakening):
    for name in ("marks", "ablated"):
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name), check_exact=False, **CLOSE)
    by = ["layer", "index"]
    margins = [found.margins.sort_values(by, ignore_index=True) for found in (one, other)]
    pd.testing.assert_frame_equal(*margins, check_exact=False, **CLOSE)


def test_a_small_token_budget_changes_nothing(tiny):
    whole = refresh(tiny, PROMPTS[1], SEVERAL[1])
    with at_most(1):
        assert_same(refresh(tiny, PROMPTS[1], SEVERAL[1]), whole)


def test_who_wakes_does_not_depend_on_the_batch_or_on_padding(tiny):
    """The same features fire where `measure` watches them in padded batches in any order."""
    for text in (PROMPTS[0], PROMPTS[3]):
        found = refresh(tiny, text, SEVERAL[1])
        watch = [Feature(*pair) for pair in found.woken[["layer", "index"]].to_numpy().tolist()]
        for order in ([0, 1, 2, 3], [3, 2, 1, 0]):
            several = [PROMPTS[i] for i in order]
            seen = tiny.measure(several, [SEVERAL[0], SEVERAL[1], Edits()], watch).activations[several.index(text)]
            dense = np.zeros_like(seen[1])
            for row in found.marks.itertuples():
                dense[watch.index((row.layer, row.index)), row.position] = row.activation
            length = len(found.pieces)
            np.testing.assert_allclose(seen[1][:, :length], dense[:, :length], **CLOSE)
            assert not (np.nan_to_num(seen[2]) > 0).any()


@pytest.mark.parametrize("which", range(12))
def test_the_bos_view_is_the_bos_row_of_any_prompt(tiny, which):
    edits = edits_of(tiny, which)
    seen = bos_view(tiny, edits, nearly=48 * 3)
    assert seen.pieces == tiny.prompt(PROMPTS[0]).pieces[:1] and np.isnan(seen.p).all() and np.isnan(seen.score).all()
    watch = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]
    for text in PROMPTS:
        before, after = tiny.measure(text, [Edits(), edits], watch).activations[0, :, :, 0]
        woken = {f: a for f, b, a in zip(watch, before, after, strict=True) if b == 0 and a > 0}
        assert {(r.layer, r.index) for r in seen.marks.itertuples()} == set(woken)
        for row in seen.marks.itertuples():
            assert (
                row.bos and row.position == 0 and row.activation == pytest.approx(woken[row.layer, row.index], rel=1e-4)
            )
        whole = refresh(tiny, text, edits, nearly=0).marks
        at_bos = whole[whole["bos"]]  # on a prompt some that are dormant at BOS fire elsewhere
        assert set(at_bos[["layer", "index"]].itertuples(index=False, name=None)) <= set(woken)
        ablated = refresh(tiny, text, edits, nearly=0).ablated
        expected = ablated[ablated["position"] == 0].reset_index(drop=True)
        pd.testing.assert_frame_equal(seen.ablated, expected, check_exact=False, **CLOSE)


@pytest.mark.parametrize("which", range(12))
def test_with_the_baseline_at_hand_the_bos_view_is_the_same(tiny, which):
    baseline, edits = bos_baseline(tiny), edits_of(tiny, which)
    assert_same(bos_view(tiny, edits, 48 * 3, baseline), bos_view(tiny, edits, 48 * 3))
    assert np.isnan(bos_view(tiny, edits, 48 * 3, baseline).p).all()


def test_the_baseline_is_every_feature_at_bos_unedited(tiny):
    baseline = bos_baseline(tiny)
    watch = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]
    expected = tiny.measure(PROMPTS[2], [Edits()], watch).activations[0, 0, :, 0].reshape(3, 48)
    for layer, row in zip((1, 2, 3), expected, strict=True):
        np.testing.assert_allclose(baseline.activations[layer], row, **CLOSE)
        on = baseline.activations[layer] > 0
        np.testing.assert_array_equal(baseline.pre[layer][on], baseline.activations[layer][on])
        assert baseline.pre[layer].shape == (48,) and on.any()


def test_the_bos_view_runs_no_layer_above_the_last_sae_and_no_head(tiny):
    from dataclasses import replace

    lower = Engine(replace(tiny.runtime, dictionaries={n: tiny.runtime.dictionaries[n] for n in (1, 2)}), "for a test")
    ran, handles = [], []
    for number, layer in enumerate(tiny.model.model.layers):
        handles.append(layer.register_forward_pre_hook(lambda m, args, n=number: ran.append((n, args[0].shape[:2]))))
    handles.append(tiny.model.lm_head.register_forward_pre_hook(lambda m, args: ran.append(("head", ()))))
    bos_view(lower, Edits.ablate(LOWEST))
    for handle in handles:
        handle.remove()
    assert ran == [(0, (1, 1)), (1, (1, 1)), (2, (2, 1))]  # one shared row up to the lowest edited layer


def test_a_pass_that_stops_leaves_the_model_as_it_was(tiny, plain):
    bos_view(tiny, Edits.ablate(LOWEST))
    ids = torch.tensor([tiny.prompt(PROMPTS[0]).ids])
    with torch.inference_mode():
        assert torch.equal(tiny.model(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_no_edit_and_an_edit_that_reaches_no_layer_wake_nothing(tiny):
    for edits in (Edits(), Edits.ablate([Feature(3, 1)]), Edits.ablate(LOWEST, strength=0)):
        for found in (refresh(tiny, PROMPTS[0], edits), bos_view(tiny, edits)):
            assert len(found.marks) == len(found.woken) == 0 and not (found.margins["state"] == "woken").any()
            assert list(found.marks) == MARKS and list(found.margins) == MARGINS
    assert refresh(tiny, PROMPTS[0], Edits()).p.before == refresh(tiny, PROMPTS[0], Edits()).p.after


def test_without_a_direction_cosines_are_unknown(tiny):
    bare = Engine(tiny.runtime, "for a test")
    found = refresh(bare, PROMPTS[1], SEVERAL[1])
    assert len(found.marks) and found.marks["cosine"].isna().all() and found.margins["cosine"].isna().all()


def test_a_wakening_holds_plain_values_only(tiny):
    seen, todo = set(), [refresh(tiny, PROMPTS[1], SEVERAL[1])]
    skipped = (type, types.ModuleType, types.FunctionType, types.BuiltinFunctionType)
    while todo:
        value = todo.pop()
        if id(value) not in seen and not isinstance(value, skipped):
            seen.add(id(value))
            assert not isinstance(value, torch.Tensor | torch.nn.Module | Engine)
            todo += gc.get_referents(value)


def test_what_cannot_be_asked_is_one_plain_error(tiny):
    from dataclasses import replace

    bare = Engine(replace(tiny.runtime, dictionaries={}), "for a test")
    for call in (
        lambda: refresh(tiny, "", SEVERAL[0]),
        lambda: refresh(tiny, PROMPTS[0], SEVERAL[0], nearly=-1),
        lambda: refresh(tiny, PROMPTS[0], Edits.ablate([Feature(0, 1)])),
        lambda: refresh(bare, PROMPTS[0], Edits()),
        lambda: bos_view(bare, Edits()),
    ):
        with pytest.raises(InputError):
            call()
