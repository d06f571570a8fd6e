"""Natural ranges against the active features counted by hand."""

import numpy as np
import pytest

from core import Feature, InputError
from core.defence import natural_ranges
from tests.oracles import PROMPTS

EVERY = [Feature(layer, index) for layer in (1, 2, 3) for index in range(48)]


def test_ranges_are_those_of_the_active_positions_other_than_bos(tiny):
    found = natural_ranges(tiny, EVERY, PROMPTS)
    named = ["layer", "index", "bos", "median", "p95", "highest", "share_active", "share_low", "share_high", "prompts"]
    assert list(found) == named and (found["prompts"] == len(PROMPTS)).all()
    assert (found["share_low"] <= found["share_active"]).all() and (found["share_active"] <= found["share_high"]).all()
    assert [Feature(*pair) for pair in found[["layer", "index"]].to_numpy().tolist()] == EVERY
    frames = [tiny.features(text).set_index(["layer", "index"]).sort_index() for text in PROMPTS]
    never = 0
    for row in found.itertuples():
        key = (row.layer, row.index)
        own = [frame.loc[[key]] if key in frame.index else frame.iloc[:0] for frame in frames]
        at_bos = own[0][own[0]["position"] == 0]["activation"]
        assert row.bos == pytest.approx(at_bos.iloc[0] if len(at_bos) else 0.0, rel=1e-4, abs=1e-4)
        values = [part[part["position"] > 0]["activation"].to_numpy() for part in own]
        assert row.share_active == np.mean([len(v) > 0 for v in values])
        every = np.concatenate(values)
        if every.size == 0:
            never += 1
            assert np.isnan([row.median, row.p95, row.highest]).all()
        else:
            expected = [np.median(every), np.percentile(every, 95), every.max()]
            np.testing.assert_allclose([row.median, row.p95, row.highest], expected, rtol=1e-4, atol=1e-4)
    assert 0 < never < len(EVERY)


def test_a_feature_named_twice_has_one_row(tiny):
    assert len(natural_ranges(tiny, [Feature(1, 2), Feature(1, 2)], PROMPTS[:1])) == 1


def test_what_cannot_be_asked_is_one_plain_error(tiny):
    for features, prompts in (([Feature(0, 1)], PROMPTS), ([Feature(1, 48)], PROMPTS), (EVERY, []), (EVERY, [""])):
        with pytest.raises(InputError):
            natural_ranges(tiny, features, prompts)
