"""Edits without effect: told exactly where, token kind by token kind, none of them ever holds."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from core import POSITIONS, Edits, Feature
from core.edits.direction import make_direction
from core.edits.items import FeatureEdit
from core.edits.overridden import overridden, overridden_sentence
from tests.oracles import PROMPTS

#: The places each kind of token of a chat prompt belongs to.
TOKENS = ({"all"}, {"bos"}, {"instruction"}, {"template"}, {"template", "last"}, {"generated"})
SENSORS, LEVELS = (Feature(0, 1), Feature(0, 2)), (0.5, 1.5, 2.5)
conditions = st.one_of(st.none(), st.tuples(st.sampled_from(SENSORS), st.sampled_from([1.0, 2.0])))
one_edit = st.builds(
    lambda f, v, p, s, w: Edits.clamp([f], v, p, strength=s, when=w),
    st.builds(Feature, st.just(2), st.integers(3, 4)),
    st.sampled_from([0.0, 600.0]),
    st.sampled_from(sorted(POSITIONS)),
    st.sampled_from([0.0, 1.0]),
    conditions,
)
edit_sets = st.lists(one_edit, max_size=6).map(lambda several: sum(several, Edits()))


def never_hold(edits: Edits) -> set[FeatureEdit]:
    """The slow way: go through every kind of token under every state of the sensors."""
    items = [item for item in edits if isinstance(item, FeatureEdit)]
    idle = set(items)
    for places, levels in itertools.product(TOKENS, itertools.product(LEVELS, repeat=len(SENSORS))):
        read = dict(zip(SENSORS, levels, strict=True))
        holds: dict[Feature, FeatureEdit] = {}
        for item in items:
            met = item.when is None or read[item.when.feature] > item.when.threshold
            if met and item.positions in {"all", *places}:
                holds[item.feature] = item
        idle -= set(holds.values())
    return idle


@settings(derandomize=True, deadline=None, max_examples=600)
@given(edit_sets)
def test_what_never_holds_is_what_is_told(edits):
    assert {one.item for one in overridden(edits.items)} == never_hold(edits)


@pytest.mark.parametrize(
    ("text", "without"),
    [
        ("2-5=600@bos,2-5", "2-5"),
        ("2-5=9@last,2-5=3@template", "2-5=3@template"),
        ("2-5=600@bos,2-5*0", "2-5*0"),
        ("2-5=5?1-4>1,2-5=3?1-4>0.5,3-1", "2-5=3?1-4>0.5,3-1"),
        ("2-5=5@bos?1-4>1,2-5=3@bos", "2-5=3@bos"),
    ],
)
def test_the_model_computes_the_same_without_them(tiny, text, without):
    edits = Edits.from_text(text)
    assert len(overridden(edits.items)) == 1
    found = tiny.measure(PROMPTS[0], [edits, Edits.from_text(without)]).refusal_score[0]
    assert found[0] == found[1]


def test_which_and_why_is_one_sentence():
    one = overridden_sentence(Edits.from_text("2-5=600@bos,2-5").items)
    assert one == (
        "“2-5=600.0@bos” has no effect, because “2-5” comes after it and holds at every token where it would act."
    )
    direction = make_direction(torch.arange(4.0), layer=2)
    assert not overridden_sentence(Edits.from_text("2-5,2-5=600@bos,direction@bos,direction=5", direction).items)
    many = Edits.from_text(",".join(f"2-{n}=1@bos,2-{n}" for n in range(9)))
    said = overridden_sentence(many.items)
    assert said.startswith("9 edits have no effect") and "“2-4=1.0@bos” (“2-4”) …." in said


def test_a_line_for_people_counts_them_apart():
    assert Edits.from_text("2-5=600@bos,2-5").describe() == "1 feature ablated, 1 without effect"
    assert Edits.from_text("2-5,2-5=600@bos").describe() == "1 feature ablated, 1 clamped at BOS"
