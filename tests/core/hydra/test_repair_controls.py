"""Control edits: other features of the same layers, as many, with the same positions and strengths."""

import numpy as np
import pytest

from core import Edits, Feature
from core.edits.items import POSITIONS
from core.hydra import matched_edits
from tests.oracles import PROMPTS


def firing(engine, text):
    """Features of layer 1 → (whether it fires at the first token, whether behind it), by the definition."""
    every = [Feature(1, i) for i in range(engine.widths[1])]
    found = engine.measure([text], [Edits()], watch=every).activations[0, 0][:, : len(engine.prompt(text))]
    return {one: (bool(row[0] > 0), bool((row[1:] > 0).any())) for one, row in zip(every, found, strict=True)}


def test_controls_are_other_features_of_the_same_layers(tiny):
    fires = [one for one, (_, behind) in firing(tiny, PROMPTS[1]).items() if behind]
    edits = Edits.ablate(fires[:6], strength=0.5) + Edits.ablate([Feature(2, 3)], "last")
    found = matched_edits(tiny, PROMPTS[1], edits, draws=5, seed=2)
    assert len(found.draws) == len(found.removed) == 5 and 0 <= found.matched <= 5
    for draw in found.draws:
        assert not set(draw.features) & set(edits.features)
        assert sorted((i.feature.layer, i.positions, i.strength, i.value) for i in draw) == sorted(
            (i.feature.layer, i.positions, i.strength, i.value) for i in edits
        )
    assert len(set(found.draws)) > 1
    assert matched_edits(tiny, PROMPTS[1], edits, draws=5, seed=2) == found


def test_features_that_fire_at_the_first_token_alone_are_matched_with_such_ones(tiny):
    """They are not silent where the edits act, and neither is their control; nothing else fires in its place."""
    text = "small town"
    fires = firing(tiny, text)
    alone = [one for one, (first, behind) in fires.items() if first and not behind]
    silent = [one for one, (first, behind) in fires.items() if not first and not behind]
    assert len(alone) >= 3 and len(silent) >= 2, "or the test shows nothing"
    found = matched_edits(tiny, text, Edits.ablate(alone[:1]), draws=4)
    assert found.removes and all(len(draw) == 1 for draw in found.draws)
    assert {one for draw in found.draws for one in draw.features} <= set(alone[1:])
    assert not matched_edits(tiny, text, Edits.ablate(silent[:1]), draws=4).removes
    for draw in matched_edits(tiny, text, Edits.ablate(silent[:1]), draws=4).draws:
        assert set(draw.features) <= set(silent[1:]), "a control of silent features is silent at the first token too"
    behind_only = matched_edits(tiny, text, Edits.ablate(alone[:1], "instruction"), draws=4)
    assert not behind_only.removes, "these edits do not act at the first token"


def test_only_ablated_features_have_a_control(tiny):
    assert matched_edits(tiny, PROMPTS[1], Edits.ablate_direction(tiny.direction())).draws == ()
    assert matched_edits(tiny, PROMPTS[1], Edits.clamp([Feature(1, 1)], 3.0)).draws == ()


def acts_at(engine, text, features, where):
    """Whether each feature fires, unedited, at any of the positions."""
    found = engine.measure([text], [Edits()], watch=features).activations[0, 0]
    return [(row[where] > 0).any() for row in found]


@pytest.mark.parametrize("positions", ["last", "instruction", "bos"])
def test_a_control_fires_where_the_edits_act(tiny, positions):
    """One that fired elsewhere only would have no effect at all, and yet pass for one that removes as much."""
    prompt = tiny.prompt(PROMPTS[1])
    where = (prompt.position_bits[: len(prompt)] & POSITIONS[positions]) > 0
    every = [Feature(1, i) for i in range(tiny.widths[1])]
    fires = [f for f, does in zip(every, acts_at(tiny, PROMPTS[1], every, np.flatnonzero(where)), strict=True) if does]
    found = matched_edits(tiny, PROMPTS[1], Edits.ablate(fires[:3], positions), draws=4)
    assert found.removes
    for draw in found.draws:
        assert draw.features and set(draw.features) <= set(fires) - set(fires[:3])
        assert {item.positions for item in draw} == {positions}


def test_a_control_keeps_the_condition_and_is_matched_where_it_is_met(tiny):
    sensor = tiny.measure([PROMPTS[1]], [Edits()], watch=[Feature(1, 4)]).activations[0, 0, 0]
    least = float(np.sort(sensor)[-2])  # met at one token
    where = np.flatnonzero(sensor > least)
    edits = Edits.from_text(f"2-3?1-4>{least!r},2-9?1-4>{least!r}")
    found = matched_edits(tiny, PROMPTS[1], edits, draws=3)
    assert {str(item.when) for draw in found.draws for item in draw} == {str(item.when) for item in edits}
    for draw in found.draws:
        fire = sum(acts_at(tiny, PROMPTS[1], list(edits.features), where))
        assert sum(acts_at(tiny, PROMPTS[1], list(draw.features), where)) == fire
    never = matched_edits(tiny, PROMPTS[1], Edits.from_text("2-3?1-4>1000000"), draws=3)
    assert not never.removes and len(never.draws) == 3


def test_features_of_other_positions_are_no_controls(tiny):
    """What one item ablates at one place is not drawn as another's control."""
    edits = Edits.ablate([Feature(1, i) for i in range(0, 40)], "last") + Edits.ablate([Feature(1, 41)], "instruction")
    for draw in matched_edits(tiny, PROMPTS[1], edits, draws=5).draws:
        assert not set(draw.features) & set(edits.features)
