"""Rows of Stage 3: what they hold, and that nothing of a test row reaches the training."""

import numpy as np
import pytest

from core.discovery.stage3_factorization import SparseRows, fit, split_rows
from core.discovery.stage3_rows import collect, column_of, feature_of, scaled
from tests.oracles import PROMPTS

ROWS = SparseRows.from_lists([([3, 5], [1.0, 4.0]), ([3], [2.0]), ([3, 5, 9], [8.0, 1.0, 6.0])])


def dense(rows, columns=(3, 5, 9)):
    found = np.zeros((len(rows), len(columns)))
    for row in range(len(rows)):
        part = slice(rows.offset[row], rows.offset[row + 1])
        found[row, [columns.index(c) for c in rows.column[part]]] = rows.value[part]
    return found.tolist()


def test_a_column_is_divided_by_its_largest_over_the_training_rows():
    assert dense(scaled(ROWS, np.array([0, 1]), "training")) == [[0.5, 1, 0], [1, 0, 0], [4, 0.25, 6]]
    assert dense(scaled(ROWS, np.array([0, 1]), "all")) == [[0.125, 1, 0], [0.25, 0, 0], [1, 0.25, 1]]
    assert dense(scaled(ROWS, np.array([0, 1]), "none")) == dense(ROWS)


def noise(seed=0):
    rng = np.random.default_rng(seed)
    lists = [(np.sort(rng.choice(40, 12, replace=False)), rng.random(12) + 0.1) for _ in range(60)]
    return lists, np.array([0, 1] * 30)


@pytest.mark.parametrize(("scaling", "leaks"), [("training", False), ("none", False), ("all", True)])
def test_test_rows_tell_the_training_nothing(scaling, leaks):
    """The same fit with the test rows a thousand times as large: its weights may not move. Over all rows they do."""
    lists, labels = noise()
    split = split_rows(labels, 0)
    rows = SparseRows.from_lists(lists)
    loud = SparseRows.from_lists([(c, v * (1000 if n in split.test else 1)) for n, (c, v) in enumerate(lists)])
    one, other = (fit(scaled(r, split.training, scaling), labels, split, size=3, epochs=2) for r in (rows, loud))
    assert (not np.array_equal(one.embedding, other.embedding)) == leaks
    assert (not np.array_equal(one.weight, other.weight)) == leaks


def test_a_row_is_the_largest_activation_over_the_last_tokens_unscaled(tiny):
    found = collect(tiny, PROMPTS, 2, [2, 3], 4).rows
    for number, text in enumerate(PROMPTS):
        frame = tiny.features(text)
        last = frame[(frame["position"] >= len(tiny.prompt(text)) - 4) & frame["layer"].isin([2, 3])]
        expected = last.groupby(["layer", "index"])["activation"].max()
        part = slice(found.offset[number], found.offset[number + 1])
        mine = {feature_of(int(c)): float(v) for c, v in zip(found.column[part], found.value[part], strict=True)}
        assert {tuple(f) for f in mine} == set(expected.index)
        for feature, value in mine.items():
            assert value == pytest.approx(float(expected[tuple(feature)]), rel=1e-5)
            assert feature_of(column_of(feature)) == feature
