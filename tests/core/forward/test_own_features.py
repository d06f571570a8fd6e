"""Each token multiplied by its own set's columns alone, against all columns of the union for every token."""

import numpy as np
import pytest
import torch

from core import Edits, Feature, load
from core.forward import own_features as module
from core.forward.own_features import LEAST_RATIO, LEAST_UNION, hold_own, own_features
from core.saes.columns import Columns, activations
from tests.oracles import PROMPTS, fast_logits, random_edits, slow

LOGITS = 1e-4  # two float32 routes to the same logits (size about 10), sums in another order
D_MODEL, UNION = 24, 40


@pytest.fixture
def forced(monkeypatch):
    """A call that makes every later plan take the sparse product (True), or the dense one (False)."""

    def force(sparse):
        monkeypatch.setattr(module, "LEAST_UNION", 0 if sparse else 10**9)
        monkeypatch.setattr(module, "LEAST_RATIO", 0)

    return force


def tables(groups, seed=0):
    """target and strength [7, groups, UNION]: few features a set, none in set 2, set 5 the same as set 0."""
    draw = torch.Generator().manual_seed(seed)
    target = torch.randn(7, groups, UNION, generator=draw)
    target[torch.rand(target.shape, generator=draw) > 0.1] = torch.nan
    target[2], target[5] = torch.nan, target[0]
    return target, torch.rand(target.shape, generator=draw) * 2


@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("groups", [1, 4])
def test_each_token_s_own_columns_give_what_all_columns_give(forced, groups, partial, biased):
    forced(True)
    target, strength = tables(groups)
    draw = torch.Generator().manual_seed(1)
    encoder, decoder, x = (torch.randn(n, D_MODEL, generator=draw) for n in (UNION, UNION, 9 * 6))
    columns = Columns(encoder, decoder, torch.randn(UNION, generator=draw), torch.rand(UNION, generator=draw))
    bias = torch.randn(D_MODEL, generator=draw) if biased else None
    x, sets = x.view(9, 6, D_MODEL), torch.tensor([6, 0, 0, 2, 5, 1, 3, 2, 4])
    group = torch.randint(groups, (9, 6), generator=draw)
    asked = target[sets[:, None], group]
    amount = torch.nan_to_num(asked - activations(x, columns, bias), nan=0.0)
    if partial:
        amount = amount * strength[sets[:, None], group]
    own = own_features(target, strength if partial else None)
    found = hold_own(x, own, sets, group, columns, bias)
    torch.testing.assert_close(found, x + amount @ decoder, rtol=1e-5, atol=1e-5)
    empty = asked.isnan().all(-1)
    assert empty[3].all() and torch.equal(found[empty], x[empty])
    nobody = hold_own(x[:2], own, torch.tensor([2, 2]), group[:2], columns, bias)
    assert torch.equal(nobody, x[:2])


@pytest.mark.parametrize("texts", [PROMPTS[1:2], PROMPTS])
def test_any_mix_of_sets_gives_the_logits_of_the_dense_product(tiny, plain, tiny_saes, forced, texts):
    """One prompt, whose layers below the lowest edit are shared, and several of unlike length, with a cache."""
    sets = [random_edits(seed, tiny.direction()) for seed in range(12)]
    sets += [Edits(), sets[3], sets[4].at_strength(0.4), Edits.ablate([Feature(3, 7)])]
    forced(False)
    dense = fast_logits(tiny, texts, sets)
    forced(True)
    assert all(layer.own is not None for layer in tiny.runtime.plan(sets).layers.values())
    found = fast_logits(tiny, texts, sets)
    torch.testing.assert_close(found, dense, rtol=1e-5, atol=LOGITS)
    for row, one in list(enumerate(sets))[::5]:
        expected = slow(plain, tiny_saes, tiny.prompt(texts[0]), one).logits[-1]
        torch.testing.assert_close(found[0, row], expected, rtol=0, atol=LOGITS)


def test_answers_are_those_of_the_dense_product(tiny, forced):
    edits = [(0, 1, "all"), (1, 2, "generated"), (2, 3, "last"), (3, 3, "generated")]
    sets = [Edits.clamp([Feature(layer, i) for i in range(first, 48, 9)], 5.0, place) for first, layer, place in edits]
    sets += [Edits(), sets[1]]
    forced(False)
    dense = tiny.answers(list(PROMPTS), sets, 12)
    forced(True)
    assert tiny.answers(list(PROMPTS), sets, 12) == dense and len(set(dense[0])) > 2


def test_half_precision_is_rounded_once_behind_the_edit(tiny_spec, forced):
    engine = load(tiny_spec, device="cpu", dtype="bfloat16")
    sets = [Edits.ablate([Feature(2, i) for i in range(row, 48, 9)]) for row in range(9)]
    forced(False)
    dense = fast_logits(engine, PROMPTS[:1], sets)
    forced(True)
    torch.testing.assert_close(fast_logits(engine, PROMPTS[:1], sets), dense, rtol=0.02, atol=0.02)


def test_the_sparse_product_is_taken_where_a_set_names_few_of_a_wide_union():
    def chosen(union, named, sets=8, groups=2, device="cpu"):
        target = torch.full((sets, groups, union), torch.nan)
        target[3, 1, :named] = 0.0  # the widest decides, not the average: a pass may hold no other
        return own_features(target.to(device), None) is not None

    few = LEAST_UNION // LEAST_RATIO
    assert chosen(LEAST_UNION, few) and not chosen(LEAST_UNION, few + 1)
    assert not chosen(LEAST_UNION - 1, 1)
    assert chosen(8 * LEAST_UNION, 8 * few) and not chosen(8 * LEAST_UNION, 8 * few + 1)
    assert not chosen(LEAST_UNION, few, device="meta")


def test_conditions_readings_and_layers_without_edits_keep_the_dense_product(tiny, forced):
    forced(True)
    a, b, sensor = Feature(2, 3), Feature(3, 5), Feature(1, 4)
    edits = Edits.ablate([a, b])
    whole = tiny.runtime.plan([edits]).layers
    assert whole[2].own is not None and whole[3].own is not None
    watched = tiny.runtime.plan([edits], watch=[Feature(3, 9), sensor]).layers
    assert watched[2].own is not None and watched[3].own is None and watched[1].own is None
    held = tiny.runtime.plan([edits + Edits.clamp([b], 2.0, when=(sensor, 0.5))]).layers
    assert held[2].own is not None and held[3].own is None and held[1].own is None


def test_only_what_is_asked_is_kept_item_by_item(forced):
    forced(True)
    target, strength = tables(groups=2)
    own = own_features(target, strength)
    for number, (s, g) in enumerate(np.ndindex(7, 2)):
        here = slice(own.starts[number], own.starts[number + 1])
        where = (~target[s, g].isnan()).nonzero()[:, 0]
        assert torch.equal(own.column[here], where)
        assert torch.equal(own.target[here], target[s, g, where])
        assert torch.equal(own.strength[here], strength[s, g, where])
    assert own.starts[-1] == len(own.column) and own.groups == 2
