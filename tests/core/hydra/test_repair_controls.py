"""Control edits: other features of the same layers, as many, with the same positions and strengths."""

from core import Edits, Feature
from core.hydra import matched_edits
from tests.oracles import PROMPTS

SET = Edits.ablate([Feature(1, i) for i in range(6)], strength=0.5) + Edits.ablate([Feature(2, 3)], "last")


def test_controls_are_other_features_of_the_same_layers(tiny):
    found = matched_edits(tiny, PROMPTS[1], SET, draws=5, seed=2)
    assert len(found.draws) == len(found.removed) == 5 and 0 <= found.matched <= 5
    for draw in found.draws:
        assert not set(draw.features) & set(SET.features)
        assert sorted((i.feature.layer, i.positions, i.strength, i.value) for i in draw) == sorted(
            (i.feature.layer, i.positions, i.strength, i.value) for i in SET
        )
    assert len(set(found.draws)) > 1
    assert matched_edits(tiny, PROMPTS[1], SET, draws=5, seed=2) == found


def test_only_ablated_features_have_a_control(tiny):
    assert matched_edits(tiny, PROMPTS[1], Edits.ablate_direction(tiny.direction())).draws == ()
    assert matched_edits(tiny, PROMPTS[1], Edits.clamp([Feature(1, 1)], 3.0)).draws == ()
