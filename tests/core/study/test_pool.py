"""The pool: the paper's counts, blind and repeatable, and what happens where there are too few features."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from core import Feature, InputError
from core.study.answers import NONE
from core.study.pool import draw_pool
from core.study.sizes import PoolSizes
from core.study.taxonomy import FIVE


def known(pipeline_each: int = 12, others_each: int = 30) -> tuple[list[Feature], dict[Feature, frozenset[str]]]:
    """Features of layer 1 that the search found and of layer 2 that it did not, so many for each number, 0 to 5."""
    categories, pipeline = {}, []
    for layer, each in ((1, pipeline_each), (2, others_each)):
        for number in range(6):
            for place in range(each):
                feature = Feature(layer, 100 * number + place)
                categories[feature] = frozenset(FIVE[:number])
                if layer == 1:
                    pipeline.append(feature)
    return pipeline, categories


def test_the_papers_pool_of_seventy():
    pipeline, categories = known()
    pool = draw_pool(pipeline, categories, seed=4)
    main = [item for item in pool.items if item.part == "main"]
    assert Counter(item.group for item in main) == {"pipeline": 40, "random active": 23, "random silent": 7}
    assert len(main) == PoolSizes().total(5) == 70
    of_search = Counter(len(item.truth) for item in main if item.group == "pipeline")
    assert of_search == {1: 8, 2: 8, 3: 8, 4: 8, 5: 8}
    assert all(item.truth == {NONE} for item in main if item.group == "random silent")
    assert len({item.feature for item in pool.items}) == 73, "nothing is shown twice, the training included"
    assert not pool.notes


def test_the_training_comes_first_and_has_something_to_learn():
    pool = draw_pool(*known(), seed=1)
    parts = [item.part for item in pool.items]
    assert parts == ["training"] * 3 + ["main"] * 70
    assert Counter(item.truth == {NONE} for item in pool.items[:3]) == {False: 2, True: 1}


def test_the_same_seed_gives_the_same_pool_and_another_another():
    pipeline, categories = known()
    assert draw_pool(pipeline, categories, seed=1) == draw_pool(
        pipeline[::-1], dict(reversed(categories.items())), seed=1
    )
    assert draw_pool(pipeline, categories, seed=1) != draw_pool(pipeline, categories, seed=2)


def test_the_order_says_nothing_about_the_group():
    groups = [item.group for item in draw_pool(*known(), seed=0).items if item.part == "main"]
    changes = sum(a != b for a, b in pairwise(groups))
    assert changes > 20, "groups are not shown one after the other"


def test_a_number_with_too_few_features_is_filled_up_and_said():
    pipeline, categories = known()
    gone = [f for f in pipeline if len(categories[f]) == 3][:-2]
    pipeline = [f for f in pipeline if f not in gone]
    pool = draw_pool(pipeline, categories)
    of_search = [item for item in pool.items if item.group == "pipeline"]
    assert len(of_search) == 40
    assert sum(len(item.truth) == 3 for item in of_search) == 2
    assert pool.notes == (
        "The pool wants 8 features of the search for each number of categories, but there are only 2 with 3; 6 with "
        "other numbers stand in.",
    )


def test_fewer_features_than_the_pool_wants_lose_nothing_of_what_is_there():
    pipeline, categories = known(pipeline_each=1, others_each=2)
    pool = draw_pool(pipeline, categories)
    main = [item for item in pool.items if item.part == "main"]
    assert Counter(item.group for item in main) == {"pipeline": 5, "random active": 10, "random silent": 2}
    said = " ".join(pool.notes)
    assert "35 fewer are shown" in said and "there are only 10" in said and "there are only 2." in said
    assert "The training wants 3 features, but there are only 0." in said


def test_nothing_to_draw_is_a_sentence():
    with pytest.raises(InputError, match="No feature can be drawn"):
        draw_pool([Feature(1, 2)], {})


@pytest.mark.parametrize(("counts", "sentence"), [((-1, 2, 3), "negative"), ((0, 0, 0), "no feature")])
def test_counts_that_cannot_be(counts, sentence):
    with pytest.raises(InputError, match=sentence):
        PoolSizes(*counts)


def test_given_features_are_all_shown_once_among_random_ones():
    _, categories = known()
    features = [Feature(1, n) for n in (3, 1, 100, 1)]
    del categories[Feature(1, 3)]
    pool = draw_pool(features, categories, PoolSizes(each=8, active=2, silent=1, training=0), whole=True)
    assert {item.feature: item.truth for item in pool.items if item.group == "given"} == {
        Feature(1, 1): {NONE},
        Feature(1, 100): {FIVE[0]},
    }
    assert len(pool.items) == 5 and not set(features) & {i.feature for i in pool.items if i.group != "given"}
    assert pool.notes == (
        "1 of 3 features were left out: each has no label with examples, or fires on too few prompts of every category "
        "to count as firing and on too many to count as silent.",
    )
