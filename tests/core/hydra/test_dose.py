"""Degrees of an edit: the ends are no edit and the whole, and what is between is each strength alone."""

import numpy as np
import pytest

from core import Edits, Feature, InputError
from core.hydra import STRENGTHS, dose, refresh
from tests.oracles import PROMPTS

SET = Edits.clamp([Feature(1, i) for i in range(20)], 10.0)


def test_strengths_go_from_none_to_half_as_much_again():
    assert STRENGTHS[0] == 0 and STRENGTHS[10] == 1 and STRENGTHS[-1] == 1.5 and len(STRENGTHS) == 16


def test_zero_is_the_baseline_and_one_the_whole_edit(tiny):
    told: list[float] = []
    found = dose(tiny, PROMPTS[1], SET, (0, 1), benign=PROMPTS[:2], progress=lambda _, share: told.append(share))
    assert told == sorted(told) and told[0] == 0 and 0 < told[-1] < 1
    assert list(found) == ["strength", "p", "score", "woken", "kl", "kl_low", "kl_high", "kl_prompts"]
    assert found["kl_prompts"].tolist() == [2, 2] and found["kl_low"][1] < found["kl"][1] < found["kl_high"][1]
    whole = refresh(tiny, PROMPTS[1], SET)
    np.testing.assert_allclose(found["p"], whole.p, rtol=0, atol=1e-6)
    np.testing.assert_allclose(found["score"], whole.score, rtol=0, atol=1e-4)
    assert found["woken"].tolist() == [0, len(whole.woken)] and len(whole.woken) > 3
    assert found["kl"][0] == pytest.approx(0, abs=1e-6)
    assert found["kl"][1] == pytest.approx(tiny.kl(PROMPTS[:2], [SET]).mean(), abs=1e-6)


def test_each_strength_is_that_strength_alone(tiny):
    several = (0.3, 0.7, 1.5)
    for row, strength in zip(dose(tiny, PROMPTS[1], SET, several).itertuples(), several, strict=True):
        alone = refresh(tiny, PROMPTS[1], SET.at_strength(strength))
        assert row.strength == strength and row.woken == len(alone.woken)
        assert row.p == pytest.approx(alone.p.after, abs=1e-6) and np.isnan(row.kl)


def test_what_cannot_be_a_strength_is_one_plain_error(tiny):
    for strengths in ((), (-1,), (11,), (float("nan"),), 0.5):
        with pytest.raises(InputError):
            dose(tiny, PROMPTS[1], SET, strengths)
