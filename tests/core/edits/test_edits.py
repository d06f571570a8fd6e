"""Edits are values: what they equal, how they add, and how they are written down."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import POSITIONS, Edits, Feature, InputError, Sensor
from core.edits.direction import make_direction
from core.edits.edits import FeatureEdit

DIRECTION = make_direction(torch.arange(4.0), layer=2)
# Drawn from few, so that the same one often comes twice.
features = st.builds(Feature, st.integers(0, 2), st.integers(0, 3))
places = st.sampled_from(sorted(POSITIONS))
values = st.one_of(st.sampled_from([0.0, -0.0, 1.0]), st.floats(-1e30, 1e30, allow_subnormal=False))
strengths = st.one_of(st.sampled_from([1.0, 0.0, -0.0, 1, 10.0]), st.floats(0, 10))
conditions = st.one_of(st.none(), st.tuples(st.builds(Feature, st.just(0), st.integers(0, 3)), values))
one_edit = st.one_of(
    st.builds(lambda f, p, s: Edits.ablate([f], p, strength=s), features, places, strengths),
    st.builds(
        lambda f, v, p, s, w: Edits.clamp([f], v, p, strength=s, when=w),
        features,
        values,
        places,
        strengths,
        conditions,
    ),
    st.builds(lambda p, s: Edits.ablate_direction(DIRECTION, p, strength=s), places, strengths),
    st.builds(lambda v, p, s: Edits.add_direction(DIRECTION, v, p, strength=s), values, places, strengths),
)
edit_sets = st.lists(one_edit, max_size=6).map(lambda several: sum(several, Edits()))
properties = settings(derandomize=True, deadline=None, max_examples=100)


@properties
@given(edit_sets, edit_sets, edit_sets)
def test_adding_is_associative_and_no_edit_is_its_zero(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + Edits() == a == Edits() + a
    assert a + a == a


@properties
@given(edit_sets)
def test_edits_survive_being_written_down_and_read_back(edits):
    again = Edits.from_text(edits.to_text(), DIRECTION)
    assert again == edits and hash(again) == hash(edits)
    assert again.to_text() == edits.to_text()


@properties
@given(edit_sets, edit_sets)
def test_equal_edits_have_equal_hashes_and_equal_arrays(a, b):
    assert (a == b) is (a.items == b.items)
    if a == b:
        assert hash(a) == hash(b)
    assert len({a, b, a + b, a + (b + Edits())}) == len({a.items, b.items, (a + b).items})


@properties
@given(edit_sets)
def test_a_feature_stands_once_for_each_kind_of_position_and_condition(edits):
    named = [(item.feature, item.positions, item.when) for item in edits if isinstance(item, FeatureEdit)]
    assert len(named) == len(set(named))


def test_ablating_is_clamping_to_zero():
    several = [Feature(1, 2), Feature(3, 4)]
    assert Edits.ablate(several, "bos") == Edits.clamp(several, 0, "bos") == Edits.clamp(several, -0.0, "bos")
    assert hash(Edits.ablate(several)) == hash(Edits.clamp(several, 0.0))


def test_no_edit_is_false_and_anything_else_is_not():
    assert not Edits() and Edits() == Edits.ablate([]) and len(Edits()) == 0
    assert Edits.ablate([Feature(0, 0)]) and Edits.ablate_direction(DIRECTION)


def test_what_is_written_last_holds():
    feature = Feature(1, 2)
    edits = Edits.clamp([feature], 3.0) + Edits.ablate([Feature(1, 5)]) + Edits.clamp([feature], 7.0)
    assert [item.value for item in edits if item.feature == feature] == [7.0]
    assert [item.feature.index for item in edits] == [5, 2]
    assert Edits.ablate([feature, feature]) == Edits.ablate([feature])


def test_order_matters_between_overlapping_positions_only_as_written():
    feature = [Feature(1, 2)]
    assert Edits.ablate(feature) + Edits.clamp(feature, 3, "bos") != Edits.clamp(feature, 3, "bos") + Edits.ablate(
        feature
    )


def test_edits_can_be_copied():
    edits = Edits.ablate([Feature(1, 2)]) + Edits.ablate_direction(DIRECTION)
    assert hash(edits)  # a cached hash must not spoil a copy
    assert copy.deepcopy(edits) == edits


def test_edits_cannot_be_changed():
    with pytest.raises(AttributeError):
        Edits().items = (1,)


def test_text_is_short_and_readable():
    edits = (
        Edits.ablate([Feature(12, 40)]) + Edits.clamp([Feature(14, 7)], 6, "bos") + Edits.ablate_direction(DIRECTION)
    )
    assert edits.to_text() == "12-40,14-7=6.0@bos,direction"
    assert Edits().to_text() == "" and Edits.from_text("") == Edits() == Edits.from_text(" , ")
    assert Edits.from_text(" 12-40 , 14-7=6@bos,direction ", DIRECTION) == edits
    assert Edits.from_text("direction=-2@last", DIRECTION) == Edits.add_direction(DIRECTION, -2, "last")


@pytest.mark.parametrize(
    "text",
    [
        "12",
        "12-",
        "-1-2",
        "a-b",
        "12-40=",
        "12-40=x",
        "12-40=nan",
        "12-40=inf",
        "12-40=1e999",
        "12-40=1..2",
        "1-2@mars",
        "1-2=3=4",
        "12-40=1_0",
        "1-2|3-4",
        "<b>",
        "directions",
        "direction=x",
        "9999999999-1",
    ],
)
def test_text_that_is_not_edits_is_one_plain_error(text):
    with pytest.raises(InputError):
        Edits.from_text(text, DIRECTION)


@pytest.mark.parametrize(
    ("text", "edits"),
    [
        ("12-40*0.5", Edits.ablate([Feature(12, 40)], strength=0.5)),
        ("12-40=6*0@last", Edits.clamp([Feature(12, 40)], 6, "last", strength=0)),
        ("12-40?9-3>2.5", Edits.clamp([Feature(12, 40)], 0, when=(Feature(9, 3), 2.5))),
        ("12-40=6*1.5@bos?12-3>0", Edits.clamp([Feature(12, 40)], 6, "bos", strength=1.5, when=(Feature(12, 3), 0))),
        ("direction*0.5@last", Edits.ablate_direction(DIRECTION, "last", strength=0.5)),
        ("direction=-2*3", Edits.add_direction(DIRECTION, -2, strength=3)),
    ],
)
def test_strength_and_condition_have_their_own_letters(text, edits):
    assert Edits.from_text(text, DIRECTION) == edits


@pytest.mark.parametrize(
    "text",
    [
        "1-2*",
        "1-2*x",
        "1-2*11",
        "1-2*-1",
        "1-2*nan",
        "1-2?",
        "1-2?0-3",
        "1-2?>1",
        "1-2?0-3>",
        "1-2?0-3>x",
        "1-2?2-3>1",
        "1-2?0-3>1@bos",
        "1-2@bos*2",
        "1-2*2=3",
        "direction?0-3>1",
        "direction*11",
    ],
)
def test_strengths_and_conditions_that_cannot_be_are_one_plain_error(text):
    with pytest.raises(InputError):
        Edits.from_text(text, DIRECTION)


def test_a_condition_is_part_of_what_is_said():
    feature, sensor = [Feature(2, 1)], Feature(1, 5)
    always, on = Edits.ablate(feature), Edits.clamp(feature, 6, when=(sensor, 2))
    assert len(always + on) == 2 and always + on != on + always
    assert (on + Edits.clamp(feature, 7, strength=0.5, when=(sensor, 2))).items[0].value == 7
    assert len(on + Edits.clamp(feature, 6, when=(sensor, 3))) == 2
    assert on.items[0].when == Sensor(sensor, 2.0) and on.sensors == (Sensor(sensor, 2.0),)


@pytest.mark.parametrize(
    "when",
    [
        (Feature(3, 1), 1.0),
        7,
        "2-1>3",
        (Feature(2, 1),),
        (Feature(2, 1), float("nan")),
        (None, 1.0),
        (Feature(2, -1), 1.0),
    ],
)
def test_conditions_that_cannot_be_are_one_plain_error(when):
    with pytest.raises(InputError):
        Edits.clamp([Feature(2, 4)], 1.0, when=when)


@pytest.mark.parametrize("strength", [-0.1, 10.1, float("nan"), float("inf"), "x", None])
def test_strengths_that_cannot_be_are_one_plain_error(strength):
    for call in (
        lambda: Edits.ablate([Feature(2, 4)], strength=strength),
        lambda: Edits.ablate_direction(DIRECTION, strength=strength),
        lambda: Edits.add_direction(DIRECTION, 1, strength=strength),
        lambda: Edits.ablate([Feature(2, 4)]).at_strength(strength),
    ):
        with pytest.raises(InputError):
            call()


def test_another_strength_is_times_each_ones_own():
    several = Edits.ablate([Feature(1, 2)], strength=0.5) + Edits.clamp([Feature(1, 3)], 6, when=(Feature(0, 1), 2))
    several += Edits.ablate_direction(DIRECTION) + Edits.add_direction(DIRECTION, 4, strength=2)
    half = several.at_strength(0.5)
    assert [item.strength for item in half] == [0.25, 0.5, 0.5, 1.0]
    assert half.sensors == several.sensors and half.items[1].value == 6 and half.items[3].add == 4
    assert several.at_strength(1) == several and Edits().at_strength(3) == Edits()
    with pytest.raises(InputError, match=r"0 .* to 10"):
        several.at_strength(6)


def test_tiers_part_a_features_items_by_condition():
    a, b, one, two = Feature(1, 2), Feature(1, 3), (Feature(0, 1), 1.0), (Feature(0, 1), 2.0)
    edits = Edits.ablate([a]) + Edits.ablate([a], "bos") + Edits.clamp([a], 1, when=one)
    edits += Edits.clamp([a], 1, "bos", when=one) + Edits.clamp([b], 1, when=two) + Edits.ablate([a], "last")
    assert edits.arrays.tier.tolist() == [0, 0, 1, 1, 1, 2]
    assert edits.arrays.sensor.tolist() == [-1, -1, 0, 0, 1, -1]


def test_a_line_for_people_says_strengths_and_conditions():
    one, sensor = [Feature(2, 1)], (Feature(1, 5), 2.0)
    assert Edits.ablate(one, strength=0.5).describe() == "1 feature ablated at strength 0.5"
    assert Edits.clamp(one, 3, when=sensor).describe() == "1 clamped only where 1-5 > 2"
    mixed = Edits.clamp(one, 3, strength=2) + Edits.clamp(one, 3, when=sensor)
    assert mixed.describe() == "1 clamped at several strengths partly on conditions"
    both = Edits.ablate_direction(DIRECTION, strength=0.25) + Edits.add_direction(DIRECTION, 1)
    assert both.describe() == "refusal direction ablated at strength 0.25, refusal direction added"


def test_a_direction_in_text_needs_a_direction():
    with pytest.raises(InputError, match="Compute it first"):
        Edits.from_text("direction")


def test_features_are_read_and_written_as_layer_and_index():
    assert str(Feature(12, 40)) == "12-40" and Feature.parse(" 12-40 ") == Feature(12, 40) == (12, 40)
    for text in ("", "12", "12-40-1", "1.5-2", "twelve-40"):
        with pytest.raises(InputError):
            Feature.parse(text)


@pytest.mark.parametrize("text", [None, 12, b"12-40", ["12-40"]])
def test_what_is_no_text_names_no_edits_and_no_feature(text):
    with pytest.raises(InputError, match="Edits are read from text"):
        Edits.from_text(text)
    with pytest.raises(InputError, match="A feature is read from text"):
        Feature.parse(text)


def test_taking_features_out_leaves_the_rest():
    edits = Edits.ablate([Feature(1, 2)]) + Edits.clamp([Feature(1, 2)], 3, "bos") + Edits.ablate_direction(DIRECTION)
    assert edits.without([Feature(1, 2)]) == Edits.ablate_direction(DIRECTION)
    assert edits.without([Feature(9, 9)]) == edits


def test_features_and_arrays_list_what_is_named():
    edits = Edits.ablate([Feature(3, 1), Feature(1, 2)]) + Edits.clamp([Feature(3, 1)], 2, "last")
    assert edits.features == (Feature(3, 1), Feature(1, 2))
    assert edits.arrays.layer.tolist() == [3, 1, 3] and edits.arrays.value.tolist() == [0, 0, 2]
    assert edits.arrays.position_bit.tolist() == [1, 1, 16]


def test_a_line_for_people_counts_what_is_done():
    assert Edits().describe() == "no edit"
    edits = Edits.ablate([Feature(1, 2)]) + Edits.clamp([Feature(1, 3)], 2) + Edits.ablate_direction(DIRECTION)
    assert edits.describe() == "1 feature ablated, 1 clamped, refusal direction ablated"
    assert Edits.add_direction(DIRECTION, 2).describe() == "refusal direction added"
    assert Edits.add_direction(DIRECTION, -2, "last").describe() == "refusal direction subtracted at the last token"


def test_a_line_for_people_counts_features_and_says_where():
    one = [Feature(1, 2)]
    assert (Edits.ablate(one, "bos") + Edits.ablate(one, "last")).describe() == (
        "1 feature ablated at BOS and the last token"
    )
    both = Edits.ablate([*one, Feature(1, 3)]) + Edits.clamp(one, 2, "template", strength=0.5)
    assert both.describe() == "2 features ablated, 1 clamped at template tokens at strength 0.5"
    assert Edits.ablate_direction(DIRECTION, "instruction").describe() == (
        "refusal direction ablated at instruction tokens"
    )


def test_whole_numbers_of_any_kind_name_a_feature():
    import numpy as np

    assert Edits.ablate([(np.int64(1), np.int32(2))]) == Edits.ablate([Feature(1, 2)])
    assert type(Edits.ablate([(np.int64(1), np.int32(2))]).features[0].layer) is int


def test_edits_add_to_edits_only():
    with pytest.raises(TypeError):
        Edits() + "1-2"


@pytest.mark.parametrize(
    "text", ["12-40,14-7,12-40=6", "direction=2,direction=3", "1-2?0-1>2,1-2=4?0-1>2", "3-4*0.5,3-4"]
)
def test_two_edits_of_one_thing_are_refused_in_writing(text):
    with pytest.raises(InputError, match="edit the same thing at the same places"):
        Edits.from_text(text, DIRECTION)


def test_the_same_edit_twice_is_once_and_other_places_are_other_edits():
    assert Edits.from_text("1-2,1-2") == Edits.ablate([Feature(1, 2)])
    assert len(Edits.from_text("1-2,1-2=6@bos,1-2=3?0-1>2")) == 3
