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
        "control_low",
        "control_high",
        "group_alone",
        "control_features",
    ]
    assert found["group"].tolist() == list(GROUPS) and found["features"].tolist() == [6, 9]

    def score(edits):
        return pytest.approx(tiny.measure(PROMPTS[1], edits).refusal_score[0, 0], abs=1e-4)

    active = tiny.features(PROMPTS[1], SET)
    for row in found.itertuples():
        group = GROUPS[row.group]
        controls = [random_active(active, group, seed, exclude=SET.features) for seed in range(4, 9)]
        drawn = [tiny.measure(PROMPTS[1], SET + Edits.ablate(one)).refusal_score[0, 0] for one in controls]
        assert row.score == score(SET) and row.with_group == score(SET + Edits.ablate(group))
        assert row.difference == pytest.approx(row.with_group - row.score)
        assert row.group_alone == score(Edits.ablate(group))
        told = (row.control, row.control_low, row.control_high)
        assert told == pytest.approx((sum(drawn) / 5, min(drawn), max(drawn)), abs=1e-4)
        assert max(drawn) - min(drawn) > 1e-3, "the draws differ"
        assert row.control_features == len(controls[0]) == len(group)
        assert not {feature for one in controls for feature in one} & {*group, *SET.features}


def test_no_group_is_one_plain_error(tiny):
    with pytest.raises(InputError, match="at least one"):
        matters(tiny, PROMPTS[1], SET, {})


def test_fewer_draws_may_be_asked_for_but_not_none(tiny):
    one = matters(tiny, PROMPTS[1], SET, GROUPS, seed=4, draws=1)
    assert (one["control"] == one["control_low"]).all() and (one["control"] == one["control_high"]).all()
    with pytest.raises(InputError, match="at least 1 random draw"):
        matters(tiny, PROMPTS[1], SET, GROUPS, draws=0)
