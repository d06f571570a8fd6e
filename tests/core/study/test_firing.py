"""Categories from firing on the tiny model, beside a loop over every prompt and feature; and bundled prompts."""

from __future__ import annotations

import numpy as np
import pytest

from core import Feature, InputError
from core.prompts.shipped import ShippedPrompt, prompts_file, read_shipped
from core.study.firing import bundled_prompts, measure
from core.study.taxonomy import FIVE, category_of

PROMPTS = {"kitchen": ["How do I bake bread?", "How do I cook a pie?"], "town": ["Tell me a story.", "Where is it?"]}


def test_a_feature_fires_on_a_category_where_it_is_active_on_the_requests_own_tokens(tiny):
    found = measure(tiny, PROMPTS)
    slow: dict[Feature, np.ndarray] = {}
    for place, texts in enumerate(PROMPTS.values()):
        for text in texts:
            start, end = tiny.prompt(text).spans["instruction"]
            frame = tiny.features(text)
            for layer, index in {
                (row.layer, row.index) for row in frame.itertuples(index=False) if start <= row.position < end
            }:
                slow.setdefault(Feature(layer, index), np.zeros(2))[place] += 1 / 2
    assert set(found.shares) == set(slow) and slow
    assert all(np.array_equal(found.shares[feature], slow[feature]) for feature in slow)


def test_categories_of_every_usable_feature(tiny):
    found = measure(tiny, PROMPTS)
    half, whole = found.categories(lambda feature: True), found.categories(lambda feature: True, least=1.0)
    assert len(half) == 3 * 48, "the silent ones too"
    assert {frozenset(), frozenset({"kitchen", "town"})} <= set(half.values())
    assert all(whole[feature] <= half[feature] for feature in whole)
    between = [f for f, share in found.shares.items() if 0 < share.max() < 1]
    assert between and not set(between) & set(whole), "neither silent nor reaching the share"
    assert set(found.categories(lambda feature: feature.layer == 2)) == {Feature(2, n) for n in range(48)}


def test_it_stops_when_asked(tiny):
    assert measure(tiny, PROMPTS, cancelled=lambda: True) is None


def test_the_bundled_prompts_have_as_many_of_each_category_and_none_trained_on():
    shipped = read_shipped(prompts_file())
    found = bundled_prompts(shipped)
    assert tuple(found) == FIVE and {len(texts) for texts in found.values()} == {11}
    known = {one.text: one for one in shipped}
    for name, texts in found.items():
        assert all(known[text].split != "train" and category_of(known[text].category) == name for text in texts)


def test_a_list_that_lacks_a_category_is_a_sentence():
    with pytest.raises(InputError, match="have none in “Triggers for offensive language”"):
        bundled_prompts([ShippedPrompt("harmful", 1, "test", "drugs", "How?")])
