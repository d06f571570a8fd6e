"""Cutting the heads: every reason to end, what is added, and the control beside it."""

from itertools import pairwise

import numpy as np
import pytest

from core import Edits, Engine, Feature, InputError
from core.edits.feature_sets import random_active
from core.edits.items import FeatureEdit, Sensor
from core.hydra import cut_the_heads, refresh
from core.hydra.rounds import control_of
from core.prompts.references import Reference
from tests.judges import judging
from tests.oracles import PROMPTS

SET = Edits.clamp([Feature(1, i) for i in range(20)], 10.0)


refusing = judging(lambda text: "refused")


def by_turns(*verdicts):
    """A judge whose verdicts on edited answers are these by turns; on the control's it is always “refused”."""
    said = iter(verdicts)
    turn = iter(range(10**6))
    return judging(lambda text: next(said) if next(turn) % 2 == 0 else "refused")


def test_each_round_ablates_what_woke_in_the_one_before(tiny):
    rounds = list(cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rounds=3, tokens=4))
    assert [r.number for r in rounds] == list(range(1, len(rounds) + 1)) and len(rounds) > 1
    assert rounds[0].edits == SET and rounds[0].added == () and rounds[0].added_bos_only == 0
    for before, now in pairwise(rounds):
        woken = [Feature(*pair) for pair in before.woken[["layer", "index"]].to_numpy().tolist()]
        assert list(now.added) == woken and now.edits == before.edits + Edits.ablate(woken)
        assert now.added_bos_only == before.woken["bos_only"].sum() and before.ended is None
    for one in rounds:
        found = refresh(tiny, PROMPTS[1], one.edits)
        expected = {pair for pair in found.woken[["layer", "index"]].itertuples(index=False, name=None)}
        assert set(one.woken[["layer", "index"]].itertuples(index=False, name=None)) == expected - set(
            one.edits.features
        )
        assert list(one.woken) == ["layer", "index", "position", "activation", "cosine", "bos_only"]
        assert one.p == pytest.approx(found.p.after, abs=1e-6) and one.score == pytest.approx(
            found.score.after, abs=1e-4
        )
        assert one.answer == "".join(tiny.generate(PROMPTS[1], one.edits, 4)) and np.isnan(one.kl)


def test_the_control_does_the_same_to_as_many_random_active_features(tiny):
    (one,) = cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rounds=1, tokens=4, benign=PROMPTS[:2], seed=7)
    drawn = random_active(tiny.features(PROMPTS[1]), SET.features, 7)
    control = Edits.clamp(drawn, 10.0)
    assert set(one.control.items) == set(control.items)
    assert one.control_features == len(drawn) == 20 and not set(drawn) & set(SET.features)
    assert one.control_p == pytest.approx(tiny.measure(PROMPTS[1], control).p_refusal[0, 0], abs=1e-6)
    assert one.control_score == pytest.approx(tiny.measure(PROMPTS[1], control).refusal_score[0, 0], abs=1e-4)
    np.testing.assert_allclose([one.kl, one.control_kl], tiny.kl(PROMPTS[:2], [SET, control]).mean(0), atol=1e-6)
    assert one.kl_prompts == 2 and one.kl_interval[0] < one.kl < one.kl_interval[1]
    assert one.control_kl_interval[0] <= one.control_kl <= one.control_kl_interval[1]


def test_a_reference_answer_gives_the_recovery_of_set_and_control(tiny):
    reference = Reference(PROMPTS[1], "Once there was a small town.", 0.5)
    (one,) = cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rounds=1, tokens=4, seed=7, reference=reference)
    control = Edits.clamp(random_active(tiny.features(PROMPTS[1]), SET.features, 7), 10.0)
    expected = [gap.recovery for gap in tiny.recovery([reference], [SET, control])[0]]
    assert [one.recovery, one.control_recovery] == pytest.approx(expected, abs=1e-6) and one.recovery != 0
    (bare,) = cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rounds=1, tokens=4)
    assert np.isnan(bare.recovery) and np.isnan(bare.control_recovery)


def test_it_ends_when_the_model_complies(tiny):
    rounds = list(cut_the_heads(tiny, PROMPTS[1], SET, judge=by_turns("refused", "complied"), tokens=4))
    assert [r.ended for r in rounds] == [None, "complied"] and rounds[-1].verdict == "complied"
    assert rounds[-1].control_verdict == "refused"


def test_it_ends_when_the_answer_degenerates(tiny):
    for verdict in ("degenerate", "off-topic", "undetermined"):
        (one,) = cut_the_heads(tiny, PROMPTS[1], SET, judge=by_turns(verdict), tokens=4)
        assert one.ended == one.verdict == verdict


def test_it_ends_when_nothing_is_left_to_add(tiny):
    (one,) = cut_the_heads(tiny, PROMPTS[1], Edits.ablate([Feature(3, 1)]), judge=refusing, tokens=4)
    assert one.ended == "nothing to add" and len(one.woken) == 0
    (one,) = cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rule="aligned", least_cosine=1.0, tokens=4)
    assert one.ended == "nothing to add" and len(one.woken) > 0


def test_it_ends_when_rounds_are_spent(tiny):
    rounds = list(cut_the_heads(tiny, PROMPTS[1], SET, judge=refusing, rounds=2, most_added=1, tokens=4))
    assert [r.ended for r in rounds] == [None, "rounds spent"] and len(rounds[1].added) == 1


def test_the_strongest_aligned_ones_are_added(tiny):
    first, second = cut_the_heads(
        tiny, PROMPTS[1], SET, judge=refusing, rule="aligned", rounds=2, most_added=2, tokens=4
    )
    aligned = first.woken[first.woken["cosine"] > 0]
    assert 0 < len(aligned) < len(first.woken)
    assert [tuple(f) for f in second.added] == [
        tuple(pair) for pair in aligned[["layer", "index"]].head(2).to_numpy().tolist()
    ]
    assert (aligned["activation"].diff().dropna() <= 0).all()


def test_bad_input_is_said_before_the_first_round(tiny):
    bare = Engine(tiny.runtime, "for a test")
    for call in (
        lambda: cut_the_heads(tiny, PROMPTS[1], Edits()),
        lambda: cut_the_heads(tiny, PROMPTS[1], SET, rule="some"),
        lambda: cut_the_heads(tiny, PROMPTS[1], SET, rounds=0),
        lambda: cut_the_heads(tiny, "", SET),
        lambda: cut_the_heads(tiny, PROMPTS[1], Edits.ablate([Feature(0, 1)])),
        lambda: cut_the_heads(bare, PROMPTS[1], SET, rule="aligned"),
    ):
        with pytest.raises(InputError):
            call()


def test_a_set_without_features_has_no_control(tiny):
    edits = Edits.ablate_direction(tiny.direction())
    (one,) = cut_the_heads(tiny, PROMPTS[1], edits, judge=refusing, rounds=1, tokens=4)
    assert not one.control and one.control_features == 0 and one.control_verdict is None
    assert np.isnan([one.control_p, one.control_score, one.control_kl, one.control_recovery]).all()
    assert one.score == pytest.approx(float(tiny.measure(PROMPTS[1], [one.edits]).refusal_score[0, 0]), abs=1e-4)


def test_the_control_has_the_values_places_and_conditions_of_the_set():
    sensor = Sensor(Feature(1, 9), 2.5)
    edits = Edits.clamp([Feature(1, 0)], 6.0, "bos") + Edits((FeatureEdit(Feature(2, 1), 0.0, "last", 0.5, sensor),))
    drawn = [Feature(2, 7), Feature(3, 8)]
    assert control_of(edits, drawn) == Edits.clamp([Feature(3, 8)], 6.0, "bos") + Edits(
        (FeatureEdit(Feature(2, 7), 0.0, "last", 0.5, sensor),)
    )
    assert len(control_of(edits, drawn[:1])) == 1 and not control_of(edits, [])
    both = Edits.ablate([Feature(1, 0)], "bos") + Edits.clamp([Feature(1, 0)], 4.0, "last")
    assert control_of(both, [Feature(1, 5)]).features == (Feature(1, 5),) and len(control_of(both, drawn[:1])) == 2


def test_a_counterpart_below_its_condition_is_left_out():
    edits = Edits((FeatureEdit(Feature(3, 1), 0.0, "all", 1.0, Sensor(Feature(2, 9), 2.5)),))
    assert not control_of(edits, [Feature(1, 7)]) and control_of(edits, [Feature(2, 7)]).features == (Feature(2, 7),)
