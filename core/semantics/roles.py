"""The part a feature plays in a refusal, from where it fires and what ablating it does.

- refusal writer: fires at the template, where the answer begins, its decoder row points towards refusal, and ablating
  it lowers the refusal score;
- harm detector: fires on instruction tokens, answers to a category of harmful requests, and ablating it lowers the
  refusal score;
- template: fires at the template of nearly every prompt, and does not move refusal;
- silent: fires on no token of an instruction or its template, of a harmful prompt or a contrast prompt;
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
from core.statistics import Estimate, mean

#: Ablating it alone lowers the refusal score by so much on average, in log-odds, the 95% interval below 0.
MOVES = 0.25
#: A detector fires on instruction tokens of so large a share of the harmful prompts.
DETECTS = 0.05
#: A writer fires at the template of so large a share of the harmful prompts on which it fires …
AT_TEMPLATE = 0.5
#: … and its decoder row has so large a cosine with the refusal direction.
ALIGNED = 0.1
#: A template feature fires at the template of so large a share of all prompts.
EVERY_TEMPLATE = 0.9
#: Harmful prompts, of those on which a feature fires, that its effect is measured on; fewer than `FEWEST` give none.
EFFECT_PROMPTS, FEWEST = 12, 3
Role = Literal["harm detector", "refusal writer", "template", "generic", "silent"]
ROLES: tuple[Role, ...] = ("refusal writer", "harm detector", "template", "generic", "silent")
#: The thresholds in words, for a page and a table.
HOW = (
    f"A feature moves refusal where ablating it alone lowers the refusal score by {MOVES} or more on average, over up "
    f"to {EFFECT_PROMPTS} harmful prompts on which it fires, with a 95% interval below 0. Refusal writer: moves "
    f"refusal, fires at the template of {AT_TEMPLATE:.0%} or more of the harmful prompts on which it fires, and has a "
    f"cosine of {ALIGNED} or more with the refusal direction. Harm detector: moves refusal, is no writer, fires on "
    f"instruction tokens of {DETECTS:.0%} of the harmful prompts or more, and answers to a category. Template: does "
    f"not move refusal, and fires at the template of {EVERY_TEMPLATE:.0%} of all prompts. Silent: fires on no token "
    "of an instruction or its template, of harmful and contrast prompts alike. Generic: everything else."
)


class Evidence(NamedTuple):
    """What a role follows from. instruction: share of harmful prompts on whose instruction tokens it fires. template:
    share of all prompts at whose template it fires. at_template: share, of the harmful prompts on which it fires, of
    those at whose template it does. fires: whether it fires on either, of any prompt. answers: categories it answers
    to. cosine: with the refusal direction, NaN without one. effect: None where not measured.
    """

    feature: Feature
    instruction: float
    template: float
    at_template: float
    fires: bool
    answers: int
    cosine: float
    effect: Estimate | None


def role_of(found: Evidence) -> Role:
    """The first that fits of: silent, refusal writer, harm detector, template, generic."""
    if not found.fires:
        return "silent"
    effect = found.effect
    if effect is not None and effect.value <= -MOVES and effect.high < 0:
        if found.at_template >= AT_TEMPLATE and found.cosine >= ALIGNED:
            return "refusal writer"
        if found.instruction >= DETECTS and found.answers:
            return "harm detector"
        return "generic"
    return "template" if found.template >= EVERY_TEMPLATE else "generic"


def read_evidence(
    firing: Firing,
    harmful: int,
    features: Sequence[Feature],
    answers: Sequence[int],
    cosines: np.ndarray,
    effects: Sequence[Estimate | None],
) -> list[Evidence]:
    """firing: the first `harmful` prompts are the harmful ones, the others contrast. answers: categories that each
    feature answers to. cosines: float [n]."""
    at, end = firing.at(INSTRUCTION, features) > 0, firing.at(TEMPLATE, features) > 0
    rows = []
    for place, feature in enumerate(features):
        on, there = at[:harmful, place], end[:harmful, place]
        either = int((on | there).sum())
        rows.append(
            Evidence(
                feature,
                float(on.mean()),
                float(end[:, place].mean()),
                float(there.sum() / either) if either else 0.0,
                bool(at[:, place].any() or end[:, place].any()),
                answers[place],
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
