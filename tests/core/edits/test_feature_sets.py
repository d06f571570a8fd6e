"""Quick sets: the right features, in a fixed order, and a control that is fair."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from core import Feature, InputError
from core.edits.feature_sets import active_near, random_active, top_per_layer


@pytest.fixture
def alignment() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = [(layer, index, generator.uniform(-1, 1)) for layer in range(5) for index in range(30)]
    return pd.DataFrame(rows, columns=["layer", "index", "cosine"])


def active(rows) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["layer", "index", "position", "activation", "cosine"])


def test_top_k_is_the_k_nearest_of_each_layer_but_the_first_two(alignment):
    found = top_per_layer(alignment, 4)
    assert len(found) == 12 and {feature.layer for feature in found} == {2, 3, 4}
    for layer in (2, 3, 4):
        part = alignment[alignment["layer"] == layer].set_index("index")["cosine"]
        chosen = [feature.index for feature in found if feature.layer == layer]
        assert chosen == part.sort_values(ascending=False).index[:4].tolist()


def test_top_k_takes_what_there_is_and_refuses_nonsense(alignment):
    assert len(top_per_layer(alignment, 1000, skip_layers=0)) == 150
    with pytest.raises(InputError):
        top_per_layer(alignment, 0)


def test_top_k_leaves_out_features_without_a_cosine(alignment):
    alignment.loc[alignment["layer"] == 3, "cosine"] = np.nan
    assert {feature.layer for feature in top_per_layer(alignment, 1)} == {2, 4}


def test_active_near_counts_each_feature_once_and_leaves_bos_out():
    frame = active(
        [(3, 1, 4, 1.0, 0.5), (3, 1, 5, 2.0, 0.5), (3, 2, 0, 9.0, 0.9), (4, 7, 2, 1.0, 0.2), (4, 8, 2, 1.0, 0.3)]
    )
    assert active_near(frame, 0.3) == [Feature(3, 1), Feature(4, 8)]
    assert active_near(frame, 0.3, with_bos=True) == [Feature(3, 2), Feature(3, 1), Feature(4, 8)]


@settings(max_examples=50)
@given(
    some.integers(0, 10_000),
    some.lists(some.tuples(some.integers(2, 4), some.integers(0, 29)), unique=True, max_size=40),
)
def test_the_control_is_seeded_disjoint_and_of_the_same_size(seed, like):
    frame = active([(layer, index, 1 + index % 3, 1.0, 0.0) for layer in range(2, 5) for index in range(30)])
    chosen = [Feature(*pair) for pair in like]
    found = random_active(frame, chosen, seed)
    assert found == random_active(frame, chosen, seed)
    assert not set(found) & set(chosen) and len(set(found)) == len(found) == len(chosen)
    wanted, drawn = (Counter(feature.layer for feature in several) for several in (chosen, found))
    if all(2 * number <= 30 for number in wanted.values()):  # else what a layer lacks is drawn from the others
        assert wanted == drawn


def test_the_control_takes_what_is_missing_from_other_layers():
    frame = active([(2, 0, 1, 1.0, 0.0), (3, 0, 1, 1.0, 0.0), (3, 1, 1, 1.0, 0.0), (3, 2, 0, 1.0, 0.0)])
    found = random_active(frame, [Feature(2, 5), Feature(2, 6), Feature(2, 7)], 1)
    assert found == [Feature(2, 0), Feature(3, 0), Feature(3, 1)]
