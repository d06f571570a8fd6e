"""Compiling edit sets: the union of columns, who asks what of them, and where sets can first differ."""

import numpy as np
import pytest
import torch

from core import POSITIONS, Edits, Feature, InputError
from core.edits.direction import make_direction

A, B, C = Feature(1, 3), Feature(1, 7), Feature(3, 2)


def test_the_union_holds_each_column_once_in_order(tiny, tiny_saes):
    plan = tiny.runtime.plan([Edits.ablate([B]), Edits(), Edits.ablate([A, C])], watch=[A])
    assert sorted(plan.layers) == [1, 3]
    torch.testing.assert_close(plan.layers[1].columns.decoder, tiny_saes[1].W_dec[[3, 7]].detach())
    target = plan.layers[1].target
    assert target.shape == (3, 1, 2)
    np.testing.assert_array_equal(target[:, 0], [[np.nan, 0], [np.nan, np.nan], [0, np.nan]])


def test_a_layer_only_watched_is_not_edited(tiny):
    plan = tiny.runtime.plan([Edits.ablate([A])], watch=[C, B, C])
    assert plan.layers[3].target is None and plan.layers[3].watch_slots == (0, 2)
    assert plan.layers[3].watched.tolist() == [0, 0] and plan.layers[1].watched.tolist() == [1]


def test_sets_can_first_differ_at_the_lowest_edited_layer(tiny):
    def lowest(*sets):
        return tiny.runtime.plan(sets).lowest

    assert lowest(Edits(), Edits.ablate([C])) == 3
    assert lowest(Edits.ablate([C]), Edits.ablate([A])) == 1
    assert lowest(Edits.ablate([C]), Edits.add_direction(tiny.direction(), 1.0)) == 2
    assert lowest(Edits(), Edits.ablate_direction(tiny.direction())) == -1
    assert lowest(Edits()) == 4


def test_places_in_use_tell_tokens_apart_and_no_others_do(tiny):
    plan = tiny.runtime.plan([Edits.clamp([A], 2.0, "bos") + Edits.clamp([A], 5.0, "last")])
    bits = np.array(
        [1, 1 | POSITIONS["bos"], 1 | POSITIONS["template"] | POSITIONS["last"], 1 | POSITIONS["generated"]]
    )
    groups = plan.group_of(bits)
    asked = plan.layers[1].target[0, groups, 0]
    np.testing.assert_array_equal(asked, [np.nan, 2, 5, np.nan])
    assert groups[0] == groups[3]
    assert tiny.runtime.plan([Edits.ablate([A])]).groups == (1,)


def test_the_item_written_last_holds_where_places_overlap(tiny):
    bos_last = tiny.runtime.plan([Edits.clamp([A], 2.0) + Edits.clamp([A], 5.0, "bos")])
    all_last = tiny.runtime.plan([Edits.clamp([A], 5.0, "bos") + Edits.clamp([A], 2.0)])
    at_bos = np.array([1 | POSITIONS["bos"]])
    assert bos_last.layers[1].target[0, bos_last.group_of(at_bos), 0].item() == 5
    assert all_last.layers[1].target[0, all_last.group_of(at_bos), 0].item() == 2


def test_a_layer_without_an_sae_is_named_with_those_that_have_one(tiny):
    with pytest.raises(InputError, match=r"Layer 0 has no SAE here.*1, 2, 3"):
        tiny.runtime.plan([Edits.ablate([Feature(0, 5)])])


def test_an_index_outside_the_sae_is_named_with_its_width(tiny):
    with pytest.raises(InputError, match=r"Feature 2-48 does not exist.*48 features \(0 to 47\)"):
        tiny.runtime.plan([Edits.ablate([Feature(2, 48)])])


def test_a_direction_of_another_model_does_not_fit(tiny):
    other = make_direction(torch.ones(33), layer=1)
    for edits in (Edits.ablate_direction(other), Edits.add_direction(other, 1.0)):
        with pytest.raises(InputError, match=r"33 numbers.*32"):
            tiny.runtime.plan([edits])
    with pytest.raises(InputError, match="layers 0 to 3"):
        tiny.runtime.plan([Edits.add_direction(make_direction(torch.ones(32), layer=4), 1.0)])


def test_two_directions_are_not_ablated_in_one_set(tiny):
    other = make_direction(torch.ones(32), layer=1)
    with pytest.raises(InputError, match="two directions"):
        tiny.runtime.plan([Edits.ablate_direction(tiny.direction()) + Edits.ablate_direction(other)])


def test_several_additions_add_up(tiny):
    other = make_direction(torch.ones(32), layer=2)
    plan = tiny.runtime.plan([Edits.add_direction(tiny.direction(), 2.0) + Edits.add_direction(other, 3.0)])
    expected = 2 * tiny.direction().vector + 3 * other.vector
    torch.testing.assert_close(plan.additions[2].vector[0, 0], expected)
