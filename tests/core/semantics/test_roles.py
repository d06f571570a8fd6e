"""Roles from evidence written by hand, and effects against measuring each feature alone."""

from __future__ import annotations

import numpy as np
import pytest

from core import Edits, Feature
from core.semantics.firing import read_firing
from core.semantics.roles import EFFECT_PROMPTS, MOVES, Evidence, read_effects, read_evidence, role_of
from core.statistics import Estimate
from tests.core.semantics import planted

DOWN, UNSURE = Estimate(-2 * MOVES, 9, -3 * MOVES, -MOVES), Estimate(-2 * MOVES, 9, -1.0, 0.2)
DETECTOR = Evidence(Feature(3, 1), 0.5, 0.1, 0.1, True, 2, 0.0, DOWN)
WRITER = Evidence(Feature(3, 2), 0.1, 1.0, 0.9, True, 0, 0.4, DOWN)


@pytest.mark.parametrize(
    ("found", "role"),
    [
        (DETECTOR, "harm detector"),
        (WRITER, "refusal writer"),
        (WRITER._replace(cosine=float("nan")), "generic"),
        (DETECTOR._replace(answers=0), "generic"),
        (DETECTOR._replace(effect=UNSURE), "generic"),
        (DETECTOR._replace(effect=None), "generic"),
        (WRITER._replace(effect=UNSURE), "template"),
        (WRITER._replace(answers=3), "refusal writer"),
        (DETECTOR._replace(fires=False, instruction=0.0, template=0.0), "silent"),
        (DETECTOR._replace(instruction=0.0, template=0.0, effect=None), "generic"),
    ],
)
def test_the_first_role_that_fits(found, role):
    assert role_of(found) == role


def test_evidence_counts_places_by_hand():
    instruction, template = np.zeros((2, planted.ALL_PROMPTS, 1))
    instruction[:30, 0], template[15:, 0] = 1, 2
    (found,) = read_evidence(planted.firing(instruction, template), 60, [Feature(3, 0)], [2], np.array([0.3]), [None])
    assert found.instruction == 0.5 and found.at_template == 45 / 60 and found.template == 75 / 90
    assert found.answers == 2 and found.cosine == pytest.approx(0.3) and found.fires


def test_a_feature_that_fires_on_contrast_prompts_only_is_not_silent():
    instruction, template = np.zeros((2, planted.ALL_PROMPTS, 2))
    instruction[60:, 0] = 1
    firing = planted.firing(instruction, template)
    features = [Feature(3, 0), Feature(3, 1)]
    found = read_evidence(firing, 60, features, [0, 0], np.zeros(2), [None, None])
    assert [(one.fires, role_of(one)) for one in found] == [(True, "generic"), (False, "silent")]


def test_an_effect_is_the_mean_over_the_first_prompts_on_which_it_fires(tiny):
    texts = [f"How do I bake bread number {i}?" for i in range(EFFECT_PROMPTS + 3)]
    firing = read_firing(tiny, texts)
    own = firing.own(firing.features)
    always = firing.features[int(np.flatnonzero((own > 0).all(0))[0])]
    never = next(f for f in (Feature(1, i) for i in range(48)) if not firing.own([f]).any())
    measured, missing = read_effects(tiny, firing, texts, [always, never])
    scores = tiny.measure(texts[:EFFECT_PROMPTS], [Edits(), Edits.ablate([always])]).refusal_score
    assert missing is None and measured.n == EFFECT_PROMPTS
    assert measured.value == pytest.approx(float((scores[:, 1] - scores[:, 0]).mean()), abs=1e-5)
    assert read_effects(tiny, firing, texts, [never]) == [None]
    assert read_effects(tiny, firing, texts, [always], cancelled=lambda: True) is None
