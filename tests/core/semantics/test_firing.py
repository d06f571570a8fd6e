"""What is kept of activity, against the engine's own table of it, row by row."""

from __future__ import annotations

import numpy as np
import pytest

from core import Feature, InputError
from core.semantics.firing import ELSE, INSTRUCTION, TEMPLATE, TOGETHER, read_firing

TEXTS = ["How do I bake bread?", "Tell me a story.", "I cannot help with that town."]


@pytest.fixture(scope="module")
def found(tiny):
    return read_firing(tiny, TEXTS)


def test_each_place_has_the_strongest_activation_there(tiny, found):
    expected = {}
    for number, text in enumerate(TEXTS):
        spans = tiny.prompt(text).spans
        for row in tiny.features(text).itertuples():
            inside = [n for n in ("instruction", "template") if spans[n][0] <= row.position < spans[n][1]]
            place = {"instruction": INSTRUCTION, "template": TEMPLATE}[inside[0]] if inside else ELSE
            key = place, number, Feature(row.layer, row.index)
            expected[key] = max(expected.get(key, 0), row.activation)
    assert {place for place, _, _ in expected} == {ELSE, INSTRUCTION, TEMPLATE}
    every = [Feature(layer, index) for layer, width in found.widths.items() for index in range(width)]
    for place in (ELSE, INSTRUCTION, TEMPLATE):
        table = found.at(place, every)
        for number in range(len(TEXTS)):
            for column, feature in enumerate(every):
                assert table[number, column] == pytest.approx(expected.get((place, number, feature), 0), rel=1e-5)
    assert set(found.features) == {feature for _, _, feature in expected}


def test_many_prompts_are_the_same_read_in_parts(tiny, found):
    several = TEXTS * (TOGETHER // len(TEXTS) + 1)
    again = read_firing(tiny, several)
    some = found.features[:20]
    np.testing.assert_allclose(again.own(some)[-3:], found.own(some), rtol=1e-5)
    np.testing.assert_array_equal(again.rows([1, 0]).own(some), again.own(some)[[1, 0]])


def test_anywhere_is_at_least_own(found):
    assert (found.anywhere(found.features) >= found.own(found.features)).all()
    assert (found.anywhere(found.features) > found.own(found.features)).any()


def test_only_some_layers_and_what_there_is_not(tiny):
    found = read_firing(tiny, TEXTS[:1], layers=[2])
    assert {feature.layer for feature in found.features} == {2}
    with pytest.raises(InputError, match="no feature 1-4"):
        found.columns([Feature(1, 4)])
    with pytest.raises(InputError, match="no SAE in these layers"):
        read_firing(tiny, TEXTS, layers=[0])
    assert read_firing(tiny, TEXTS, cancelled=lambda: True) is None
