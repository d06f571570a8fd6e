"""The same edits of other features."""

from core.edits.edits import Edits, Feature
from core.edits.exchange import exchanged, of_the_same_layer
from core.edits.items import FeatureEdit, Sensor

A, B, C = Feature(1, 1), Feature(1, 2), Feature(3, 1)


def test_a_feature_is_exchanged_for_one_of_its_layer_as_long_as_there_are_some():
    drawn = [Feature(1, 8), Feature(1, 9), Feature(3, 8), Feature(2, 7)]
    assert of_the_same_layer([A, A, B, C], drawn) == {A: Feature(1, 9), B: Feature(1, 8), C: Feature(3, 8)}
    assert of_the_same_layer([A, B], drawn[1:]) == {A: Feature(1, 9)} and of_the_same_layer([], drawn) == {}


def test_all_but_the_feature_stays_and_what_has_no_other_is_left_out():
    edits = Edits.clamp([A], 6.0, "bos") + Edits.ablate([B, C])
    assert exchanged(edits, {A: Feature(1, 8), C: Feature(3, 9)}) == Edits.clamp([Feature(1, 8)], 6.0, "bos") + (
        Edits.ablate([Feature(3, 9)])
    )
    assert not exchanged(edits, {})


def test_a_condition_is_never_in_a_layer_above():
    item = FeatureEdit(C, 0.0, "all", when=Sensor(Feature(2, 5), 1.0))
    assert not exchanged([item], {C: Feature(1, 1)})
    (kept,) = exchanged([item], {C: Feature(2, 1)})
    assert kept.feature == Feature(2, 1) and kept.when == item.when
