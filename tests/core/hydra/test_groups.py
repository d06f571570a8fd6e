"""Groups ablated on top of a set: each number is the one measured alone."""

import pytest

from core import Edits, Feature, InputError
from core.edits.feature_sets import random_active
from core.hydra import matters
from tests.oracles import PROMPTS

SET = Edits.clamp([Feature(1, i) for i in range(20)], 10.0)
GROUPS = {"layer 2": [Feature(2, i) for i in range(6)], "layer 3": [Feature(3, i) for i in range(9)]}


def test_each_score_is_the_one_measured_alone(tiny):
    found = matters(tiny, PROMPTS[1], SET, GROUPS, seed=4)
    assert list(found) == [
        "group",
        "features",
        "score",
        "with_group",
        "difference",
        "control",
        "group_alone",
        "control_features",
    ]
    assert found["group"].tolist() == list(GROUPS) and found["features"].tolist() == [6, 9]

    def score(edits):
        return pytest.approx(tiny.measure(PROMPTS[1], edits).refusal_score[0, 0], abs=1e-4)

    active = tiny.features(PROMPTS[1], SET)
    for row in found.itertuples():
        group = GROUPS[row.group]
        control = random_active(active, group, 4, exclude=SET.features)
        assert row.score == score(SET) and row.with_group == score(SET + Edits.ablate(group))
        assert row.difference == pytest.approx(row.with_group - row.score)
        assert row.group_alone == score(Edits.ablate(group)) and row.control == score(SET + Edits.ablate(control))
        assert row.control_features == len(control) == len(group) and not set(control) & {*group, *SET.features}


def test_no_group_is_one_plain_error(tiny):
    with pytest.raises(InputError, match="at least one"):
        matters(tiny, PROMPTS[1], SET, {})
