"""The analyses on arrays small enough to do by hand."""

import numpy as np
import pandas as pd
import pytest

from core import Feature
from core.discovery.analyses import Woken, active_on_tokens, deactivation, fires, jaccard_pairs, where_woken, woken

NAN = np.nan


def test_a_feature_fires_when_it_is_above_zero_somewhere():
    assert fires(np.array([[0.0, 0.0, NAN], [0.0, 2.0, NAN], [NAN, NAN, NAN]])).tolist() == [False, True, False]
    assert fires(np.empty((0, 3))).tolist() == []


def test_every_mark_of_a_woken_feature():
    after = np.array([[0.0, 1.5, NAN], [0.0, 0.0, 0.0]])
    assert woken([Feature(3, 1), Feature(3, 2)], after) == [Woken(Feature(3, 1), 1, 1.5)]
    assert woken([], np.empty((0, 3))) == []


def test_deactivation_and_drop():
    before = np.array([[0.0, 4.0], [1.0, 2.0], [0.0, 0.0], [3.0, 0.0]])
    after = np.array([[1.0, 0.0], [0.0, 0.0], [5.0, 0.0], [0.0, 3.0]])
    found = deactivation(before, after)
    assert found.deactivated == 1 and found.drop == pytest.approx((0.75 + 0.0) / 2)
    assert np.isnan(deactivation(before[1:2], after[1:2]).drop)


def test_features_active_on_many_tokens_leave_bos_out():
    frame = pd.DataFrame({"layer": [2, 2, 2, 3, 3], "index": [7, 7, 7, 1, 1], "position": [0, 1, 2, 0, 5]})
    assert active_on_tokens(frame, 1) == [Feature(2, 7), Feature(3, 1)]
    assert active_on_tokens(frame, 2) == [Feature(2, 7)]
    assert active_on_tokens(frame, 3) == []


def test_overlap_of_sets():
    a, b, c = Feature(1, 1), Feature(1, 2), Feature(1, 3)
    found = jaccard_pairs([[a, b], [b, c], []])
    assert found[0, 1] == found[1, 0] == pytest.approx(1 / 3) and found[0, 2] == found[1, 2] == 0
    assert (
        np.isnan(np.diag(found)).all()
        and np.isnan(jaccard_pairs([[a]])).all()
        and np.isnan(jaccard_pairs([[], []])).all()
    )


def test_where_features_wake():
    found = where_woken([("1-1", "bos"), ("1-1", "template"), ("1-2", "bos")])
    assert (found.features, found.marks) == (2, 3) and found.share == {
        "bos": pytest.approx(2 / 3),
        "template": pytest.approx(1 / 3),
    }
    assert where_woken([]).share == {}
