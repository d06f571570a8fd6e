"""Self-repair against plain hooks on the plain model, and the identities that define it."""

import numpy as np
import pytest
import torch

from core import Edits, Feature, InputError
from core.hydra import hold_parts, repair_over, self_repair, summarise
from core.hydra.self_repair import COLUMNS
from core.measures.last_token import PARTS
from tests.core.hydra.plain_writes import logit, run
from tests.oracles import PROMPTS

TEXT = PROMPTS[1]
ONE = [Feature(1, i) for i in range(0, 48, 2)]
TWO = [*ONE, *(Feature(2, i) for i in range(0, 48, 3))]
CLOSE = {"abs": 2e-4, "rel": 1e-4}  # two float32 routes; logits of size 10


@pytest.fixture(scope="module")
def frozen(tiny, plain, tiny_saes):
    """frozen(edited run) → logit at the unedited scale less the unedited logit; and the unedited run."""
    unedited = run(plain, tiny_saes, tiny.prompt(TEXT))
    tokens = tiny.spec.refusal_tokens

    def of(h):
        return logit(plain, h, tokens, unedited.final) - logit(plain, unedited.final, tokens)

    return of, unedited


@pytest.mark.parametrize("features", [ONE, TWO])
@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_features_are_those_of_plain_hooks(tiny, plain, tiny_saes, frozen, features, strength):
    of, unedited = frozen
    (found,) = self_repair(tiny, TEXT, [Edits.ablate(features, strength=strength)])
    slow = run(plain, tiny_saes, tiny.prompt(TEXT), features, strength)
    tokens = tiny.spec.refusal_tokens
    assert list(found.blocks) == COLUMNS and found.split
    for layer in range(4):
        row = found.blocks.iloc[layer]
        assert row["edit"] == pytest.approx(of(unedited.final + slow.edits[layer]), **CLOSE)
        for part in PARTS:
            change = slow.parts[layer, part] - unedited.parts[layer, part]
            assert row[part] == pytest.approx(of(unedited.final + change), **CLOSE)
    assert found.direct == pytest.approx(of(unedited.final + sum(slow.edits.values())), **CLOSE)
    assert found.end == pytest.approx(of(slow.final), **CLOSE)
    assert found.total == pytest.approx(
        logit(plain, slow.final, tokens) - logit(plain, unedited.final, tokens), **CLOSE
    )
    logits = slow.logits - slow.logits.mean()
    before = unedited.logits - unedited.logits.mean()
    assert found.total == pytest.approx(float((logits - before)[list(tokens)].mean()), **CLOSE)
    own = logit(plain, slow.final, tokens) - logit(plain, slow.final, tokens, unedited.final)
    assert found.normalisation == pytest.approx(own, **CLOSE)
    assert abs(found.total) > 0.1 and found.p.after == pytest.approx(
        float(slow.logits.softmax(-1)[list(tokens)].sum()), abs=1e-5
    )


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_an_ablated_direction_is_that_of_plain_hooks(tiny, plain, tiny_saes, frozen, strength):
    of, unedited = frozen
    unit = tiny.direction().vector
    (found,) = self_repair(tiny, TEXT, [Edits.ablate_direction(tiny.direction(), strength=strength)])
    held = run(plain, tiny_saes, tiny.prompt(TEXT), direction=(unit, strength), held=unedited.parts)
    slow = run(plain, tiny_saes, tiny.prompt(TEXT), direction=(unit, strength))
    assert found.lowest == -1
    assert found.direct == pytest.approx(of(held.final), **CLOSE)
    assert found.end == pytest.approx(of(slow.final), **CLOSE)
    if strength == 1:  # the projection taken from the unedited final residual stream
        gone = unedited.final - (unedited.final @ unit) * unit
        assert found.direct == pytest.approx(of(gone), **CLOSE)
        for layer in range(4):
            for part in PARTS:
                was = unedited.parts[layer, part]
                change = slow.parts[layer, part] - (was - (was @ unit) * unit)
                assert found.blocks[part][layer] == pytest.approx(of(unedited.final + change), **CLOSE)


def every_kind(engine):
    """Edit sets of every kind there is."""
    return [
        Edits.ablate(TWO),
        Edits.ablate(ONE, "template", strength=0.5),
        Edits.ablate_direction(engine.direction(), strength=0.3),
        Edits.ablate(ONE) + Edits.ablate_direction(engine.direction()),
        Edits.add_direction(engine.direction(), -3.0),
        Edits.clamp(ONE[:3], 4.0, when=(Feature(1, 5), 0.1)),
        Edits(),
        Edits.ablate([Feature(3, i) for i in range(48)]),
    ]


def test_what_is_written_is_all_that_changes_and_a_batch_is_one_at_a_time(tiny):
    sets = every_kind(tiny)
    for found, edits in zip(self_repair(tiny, TEXT, sets), sets, strict=True):
        (alone,) = self_repair(tiny, TEXT, [edits])
        blocks = found.blocks
        assert blocks["edit"].sum() == pytest.approx(found.direct, abs=1e-6)
        assert found.direct + blocks["response"].sum() + found.normalisation == pytest.approx(found.total, abs=1e-6)
        np.testing.assert_allclose(blocks["attention"] + blocks["mlp"], blocks["response"], atol=1e-6)
        np.testing.assert_allclose(blocks, alone.blocks, atol=1e-4)
        assert (found.total, found.deepest) == pytest.approx((alone.total, alone.deepest), abs=1e-4)


def test_the_sum_over_parts_is_the_change_of_the_final_residual_stream(tiny):
    """Not by definition: what is left for the normalisation is what the norm's own scale makes of the final stream."""
    sets = every_kind(tiny)
    read = tiny.reader.last_token(tiny.prompt(TEXT), [Edits(), *sets])
    final = read.after[:, -1].double().numpy()
    toward = tiny.reader.token_logit(tiny.spec.refusal_tokens).frozen(final[0])
    for row, found in enumerate(self_repair(tiny, TEXT, sets), start=1):
        assert found.end == pytest.approx((final[row] - final[0]) @ toward, abs=1e-4)


def test_no_edit_changes_nothing(tiny):
    (found,) = self_repair(tiny, TEXT, [Edits()])
    assert np.abs(found.blocks[COLUMNS[1:]]).to_numpy().max() < 1e-5 and abs(found.total) < 1e-5
    assert np.isnan(found.put_back) and found.lowest == 4 and found.restoring(3) == []


def test_an_edit_of_the_last_layer_has_a_direct_effect_only(tiny):
    (found,) = self_repair(tiny, TEXT, [Edits.ablate([Feature(3, i) for i in range(48)])])
    assert found.blocks["response"].abs().max() < 1e-5 and found.direct == pytest.approx(found.end, abs=1e-5)
    assert found.deepest_layer == found.lowest == 3 and found.restoring(3) == []


def test_the_share_put_back_is_as_defined(tiny):
    shares = []
    for found in self_repair(tiny, TEXT, [Edits.ablate([Feature(1, i)]) for i in range(48)]):
        curve = [found.direct, *found.blocks["cumulative"][2:]]
        assert found.deepest == min(curve) and found.end == curve[-1]
        assert found.deepest_layer == 1 + int(np.argmin(curve))
        if found.deepest < -0.1:
            assert found.put_back == (found.end - found.deepest) / -found.deepest >= 0
            shares.append(found.put_back)
        else:
            assert np.isnan(found.put_back)
        responses = found.blocks.set_index("layer")
        kept = [responses.loc[layer, part] for layer, part in found.restoring(3)]
        assert kept == sorted(kept, reverse=True) and all(value > 0 for value in kept)
    assert len(shares) > 3 and max(shares) > 0.1


@pytest.mark.parametrize("kind", ["features", "direction", "half the direction"])
def test_holding_every_later_part_leaves_exactly_the_direct_effect(tiny, kind):
    edits, first = {
        "features": (Edits.ablate(ONE), 2),
        "direction": (Edits.ablate_direction(tiny.direction()), 0),
        "half the direction": (Edits.ablate_direction(tiny.direction(), strength=0.5), 0),
    }[kind]
    (found,) = self_repair(tiny, TEXT, [edits])
    held = hold_parts(tiny, TEXT, edits, [(layer, part) for layer in range(first, 4) for part in PARTS])
    assert held.change["edited"] == pytest.approx(found.end, **CLOSE)
    assert held.change["held"] == pytest.approx(found.direct, **CLOSE)
    assert held.controls == () and len(held.p_control) == 0


def test_held_parts_are_those_of_plain_hooks(tiny, plain, tiny_saes, frozen):
    of, unedited = frozen
    parts = [(2, "mlp"), (3, "attention")]
    found = hold_parts(tiny, TEXT, Edits.ablate(ONE), parts, seed=3)
    tokens = list(tiny.spec.refusal_tokens)
    for held, change, p in [
        (found.parts, found.change["held"], found.p["held"]),
        *zip(found.controls, found.change_control, found.p_control, strict=True),
    ]:
        slow = run(plain, tiny_saes, tiny.prompt(TEXT), ONE, held={part: unedited.parts[part] for part in held})
        assert change == pytest.approx(of(slow.final), **CLOSE)
        assert p == pytest.approx(float(slow.logits.softmax(-1)[tokens].sum()), abs=1e-5)
    assert found.parts == tuple(parts) and len(found.controls) == 5
    assert all(len(one) == 2 and not set(one) & set(parts) for one in found.controls)


def test_holding_does_nothing_where_nothing_is_edited(tiny):
    held = {(layer, part): ([0], torch.ones(32)) for layer in (2, 3) for part in PARTS}
    with pytest.raises(InputError, match="above the lowest edited one"):
        hold_parts(tiny, TEXT, Edits(), [(2, "mlp")])
    base = tiny.measure(TEXT)
    tiny.reader.last_token(tiny.prompt(TEXT), [Edits(), Edits.ablate(ONE)], held)
    assert tiny.measure(TEXT).p_refusal == base.p_refusal


def test_what_cannot_be_held_is_said(tiny):
    for parts in ([], [(1, "mlp")], [(9, "mlp")], [(2, "head")]):
        with pytest.raises(InputError):
            hold_parts(tiny, TEXT, Edits.ablate(ONE), parts)
    with pytest.raises(InputError):
        self_repair(tiny, TEXT, [])
    with pytest.raises(InputError, match="no tokens"):
        self_repair(tiny, TEXT, [Edits()], tokens=[10**6])


def test_other_tokens_can_be_asked_for(tiny, plain, tiny_saes):
    (found,) = self_repair(tiny, TEXT, [Edits.ablate(ONE)], tokens=[7, 9])
    slow, base = (run(plain, tiny_saes, tiny.prompt(TEXT), features) for features in (ONE, []))
    expected = logit(plain, slow.final, [7, 9]) - logit(plain, base.final, [7, 9])
    assert found.total == pytest.approx(expected, **CLOSE) and found.tokens == (7, 9)


def test_many_prompts_are_each_alone_and_their_means(tiny):
    seen: list[float] = []
    sets = [Edits.ablate(ONE), Edits.ablate(TWO)]
    rows = list(repair_over(tiny, PROMPTS, sets, progress=lambda message, share: seen.append(share)))
    for text, row in zip(PROMPTS, rows, strict=True):
        for one, alone in zip(row, self_repair(tiny, text, sets), strict=True):
            assert one.total == alone.total
    found = summarise([row[0] for row in rows])
    assert seen == sorted(seen) and seen[-1] == 1.0
    assert found.prompts == 4 and found.total.value == pytest.approx(np.mean([row[0].total for row in rows]))
    response = found.blocks[found.blocks["name"] == "response"]["mean"].to_numpy()
    np.testing.assert_allclose(response, np.mean([row[0].blocks["response"] for row in rows], axis=0))
    assert found.put_back.n == sum(np.isfinite(row[0].put_back) for row in rows)
