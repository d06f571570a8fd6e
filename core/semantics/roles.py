"""The part a feature plays in a refusal, from where it fires and what ablating it does.

- harm detector: fires on instruction tokens, more on harmful requests than on contrast prompts, and ablating it lowers
  the refusal score;
- refusal writer: fires mostly at the template's end, its decoder row points towards refusal, and ablating it lowers the
  refusal score;
- template: fires at the template of nearly every prompt, and does not move refusal;
- silent: fires on no token that can tell these prompts apart;
- generic: everything else.

Knows: firing, cosines, measured effects. Does not know: labels. Every threshold is a constant below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.progress import NEVER, QUIET, Progress
from core.semantics.firing import INSTRUCTION, TEMPLATE, Firing
from core.statistics import Estimate, area_under_curve, mean

#: Ablating it alone lowers the refusal score by so much on average, in log-odds, the 95% interval below 0.
MOVES = 0.05
#: A detector fires on instruction tokens of so large a share of the harmful prompts …
DETECTS = 0.05
#: … with so large an area under the curve against the contrast prompts.
TELLS_APART = 0.6
#: A writer is strongest at the template's end on so large a share of the harmful prompts on which it fires …
AT_TEMPLATE = 0.5
#: … and its decoder row has so large a cosine with the refusal direction.
ALIGNED = 0.1
#: A template feature fires at the template of so large a share of all prompts.
EVERY_TEMPLATE = 0.9
#: Harmful prompts, of those on which a feature fires, that its effect is measured on; fewer than `FEWEST` give none.
EFFECT_PROMPTS, FEWEST = 12, 3
Role = Literal["harm detector", "refusal writer", "template", "generic", "silent"]
ROLES: tuple[Role, ...] = ("harm detector", "refusal writer", "template", "generic", "silent")
#: The thresholds in words, for a page and a table.
HOW = (
    f"A feature moves refusal where ablating it alone lowers the refusal score by {MOVES} or more on average, over up "
    f"to {EFFECT_PROMPTS} harmful prompts on which it fires, with a 95% interval below 0. Harm detector: moves "
    f"refusal, and fires on instruction tokens of {DETECTS:.0%} of the harmful prompts or more, with an area under "
    f"the curve of {TELLS_APART} against the contrast prompts. Refusal writer: moves refusal, is strongest at the "
    f"template on {AT_TEMPLATE:.0%} of the harmful prompts on which it fires, and has a cosine of {ALIGNED} or "
    f"more with the refusal direction. Template: does not move refusal, and fires at the template of "
    f"{EVERY_TEMPLATE:.0%} of all prompts."
)


class Evidence(NamedTuple):
    """What a role follows from. instruction: share of harmful prompts on whose instruction tokens it fires. area: of
    its strongest activation there, harmful against contrast prompts; NaN without contrast. template: share of all
    prompts at whose template it fires. at_template: share of the harmful prompts on which it fires where it is
    strongest at the template. cosine: with the refusal direction, NaN without one. effect: None where not measured.
    """

    feature: Feature
    instruction: float
    area: float
    template: float
    at_template: float
    cosine: float
    effect: Estimate | None


def role_of(found: Evidence) -> Role:
    """The first that fits of: silent, refusal writer, harm detector, template, generic."""
    if found.instruction == 0 and found.template == 0:
        return "silent"
    effect = found.effect
    if effect is not None and effect.value <= -MOVES and effect.high < 0:
        if found.at_template >= AT_TEMPLATE and found.cosine >= ALIGNED:
            return "refusal writer"
        if found.instruction >= DETECTS and found.area >= TELLS_APART:
            return "harm detector"
        return "generic"
    return "template" if found.template >= EVERY_TEMPLATE else "generic"


def read_evidence(
    firing: Firing, harmful: int, features: Sequence[Feature], cosines: np.ndarray, effects: Sequence[Estimate | None]
) -> list[Evidence]:
    """firing: the first `harmful` prompts are the harmful ones, the others contrast. cosines: float [n]."""
    at, end = firing.at(INSTRUCTION, features), firing.at(TEMPLATE, features)
    label = np.arange(firing.prompts) < harmful
    rows = []
    for place, feature in enumerate(features):
        on, there = at[:harmful, place], end[:harmful, place]
        fires = (on > 0) | (there > 0)
        rows.append(
            Evidence(
                feature,
                float((on > 0).mean()),
                area_under_curve(at[:, place], label),
                float((end[:, place] > 0).mean()),
                float((there > on)[fires].mean()) if fires.any() else 0.0,
                float(cosines[place]),
                effects[place],
            )
        )
    return rows


def read_effects(
    engine: Engine,
    firing: Firing,
    texts: Sequence[str],
    features: Sequence[Feature],
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> list[Estimate | None] | None:
    """How far the refusal score moves when each feature alone is ablated: the mean over the first `EFFECT_PROMPTS` of
    `texts` on whose own tokens it fires. None in place of a feature that fires on fewer than `FEWEST`.

    firing: of prompts whose first ones are `texts`. Returns None where it was cancelled. Raises InputError.
    """
    own = firing.own(features)[: len(texts)] if features else np.zeros((0, 0))
    asked = [np.flatnonzero(own[:, place] > 0)[:EFFECT_PROMPTS] for place in range(len(features))]
    used = sorted({int(row) for rows in asked if len(rows) >= FEWEST for row in rows})
    if not used:
        return [None] * len(features)
    before = dict(zip(used, engine.measure([texts[i] for i in used]).refusal_score[:, 0], strict=True))
    found: list[Estimate | None] = []
    for place, (feature, rows) in enumerate(zip(features, asked, strict=True)):
        if cancelled():
            return None
        progress(f"Ablating {len(features):,} features one by one", place / len(features))
        if len(rows) < FEWEST:
            found.append(None)
            continue
        after = engine.measure([texts[i] for i in rows], [Edits.ablate([feature])]).refusal_score[:, 0]
        found.append(mean([score - before[int(i)] for score, i in zip(after, rows, strict=True)]))
    return found
