"""Leaving one out: the batch against one at a time, and what cannot be reached left out of the table."""

import numpy as np
import pytest

from core import Edits, Feature, InputError
from core.hydra import leave_one_out, refresh
from tests.oracles import PROMPTS

SET = Edits.clamp([Feature(1, i) for i in range(12)], 10.0) + Edits.ablate([Feature(2, i) for i in range(8)])


@pytest.fixture
def watched(tiny):
    found = refresh(tiny, PROMPTS[1], SET).woken
    assert len(found) > 3
    return [Feature(*pair) for pair in found[["layer", "index"]].to_numpy().tolist()]


@pytest.mark.parametrize("by", ["feature", "layer"])
def test_the_batch_is_one_at_a_time(tiny, watched, by):
    found = leave_one_out(tiny, PROMPTS[1], SET, watched, by=by)
    parts = [[f] for f in SET.features]
    if by == "layer":
        parts = [[f for f in SET.features if f.layer == n] for n in (1, 2)]
    names = [str(part[0]) if by == "feature" else str(part[0].layer) for part in parts]
    whole = tiny.measure(PROMPTS[1], SET, watched)
    effects = {(r.left_out, r.woken): r for r in found.frame.itertuples()}
    assert found.scores["left_out"].tolist() == names
    count = 0
    for name, part, row in zip(names, parts, found.scores.itertuples(), strict=True):
        alone = tiny.measure(PROMPTS[1], SET.without(part), watched)
        assert row.score == pytest.approx(alone.refusal_score[0, 0], abs=1e-4)
        assert row.difference == pytest.approx((alone.refusal_score - whole.refusal_score)[0, 0], abs=1e-4)
        for column, feature in enumerate(watched):
            if part[0].layer >= feature.layer:
                assert (name, str(feature)) not in effects
                continue
            high, low = (m.activations[0, 0, column] for m in (whole, alone))
            link = effects[name, str(feature)]
            assert link.effect == pytest.approx(high.max() - low.max(), abs=2e-4)
            assert high[link.position] == pytest.approx(high.max(), abs=1e-4)
            assert (link.layer_out, link.layer) == (part[0].layer, feature.layer)
            count += 1
    assert count == len(found.frame) > 0 and found.frame["effect"].abs().max() > 0.1


def test_without_bos_only_what_happens_after_it_counts(tiny, watched):
    found = leave_one_out(tiny, PROMPTS[1], SET, watched, with_bos=False).frame
    assert (found["position"] > 0).all() and len(found)
    whole = tiny.measure(PROMPTS[1], SET, watched).activations[0, 0, :, 1:].max(-1)
    for row in found.head(5).itertuples():
        left_on = SET.without([Feature.parse(row.left_out)])
        without = tiny.measure(PROMPTS[1], left_on, watched).activations[0, 0, :, 1:].max(-1)
        column = watched.index(Feature.parse(row.woken))
        assert row.effect == pytest.approx(whole[column] - without[column], abs=2e-4)


def test_the_strongest_stand_first(tiny, watched):
    frame = leave_one_out(tiny, PROMPTS[1], SET, watched).frame
    assert list(frame) == ["left_out", "woken", "layer_out", "layer", "effect", "position"]
    assert (np.diff(frame["effect"].abs()) <= 0).all()


def test_nothing_watched_still_gives_scores(tiny):
    found = leave_one_out(tiny, PROMPTS[1], SET, [])
    assert len(found.frame) == 0 and len(found.scores) == 20 and found.frame.columns[0] == "left_out"


def test_what_cannot_be_left_out_is_one_plain_error(tiny, watched):
    for call, words in (
        (lambda: leave_one_out(tiny, PROMPTS[1], Edits(), watched), "contain no feature"),
        (
            lambda: leave_one_out(tiny, PROMPTS[1], Edits.ablate_direction(tiny.direction()), watched),
            "contain no feature",
        ),
        (lambda: leave_one_out(tiny, PROMPTS[1], SET, watched, most=19), "one layer at a time"),
        (lambda: leave_one_out(tiny, PROMPTS[1], SET, watched, by="token"), "“token”"),
    ):
        with pytest.raises(InputError, match=words):
            call()
    assert len(leave_one_out(tiny, PROMPTS[1], SET, watched, by="layer", most=2).scores) == 2
