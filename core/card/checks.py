"""Whether a card says what can be: values within their ranges, parts that fit each other, edits that can be read.

Knows: contents. Does not know: files or models. A card with a right digest can still be written by hand; whoever reads
it would draw a page or a vector from nonsense.
"""

from __future__ import annotations

import base64
import binascii
import math

import numpy as np

from core.answers.verdicts import VERDICTS
from core.card.contents import Card, Case, DirectionUsed, Source, State, text_digest
from core.card.source import direction_of
from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.semantics.roles import ROLES
from core.text.json_text import json_text

#: A unit vector's length is 1 but for rounding.
_ROUNDING = 1e-3


def check(card: Card) -> None:
    """Raises ValueError, with what is wrong, and InputError for edits and features that cannot be read."""
    source = card.source
    _that(source.n_layers > 0, "the model has no layers")
    _that(source.judge.kappa is None or -1 <= source.judge.kappa <= 1, "κ is not between −1 and 1")
    direction = _direction(source.direction, source) if source.direction else None
    for case in card.cases:
        _case(case, direction)


def _direction(used: DirectionUsed, source: Source) -> Direction:
    try:
        vector = np.frombuffer(base64.b64decode(used.vector, validate=True), "<f4")
    except (binascii.Error, ValueError) as error:
        raise ValueError("the direction’s vector cannot be read") from error
    length = float(np.linalg.norm(vector.astype(np.float64))) if len(vector) else 0.0
    _that(abs(length - 1) < _ROUNDING, "the direction is no unit vector")
    _that(math.isfinite(used.norm) and 0 < used.norm < 1e30, "the direction’s norm is not a positive number")
    _that(0 <= used.layer < source.n_layers, "the direction is of a layer that the model does not have")
    found = direction_of(used)
    _that(found.key == used.key, "the direction is not the one that its key names")
    return found


def _case(case: Case, direction: Direction | None) -> None:
    _that(case.tokens >= 0, "an answer is shorter than nothing")
    for turn in case.turns:
        _text(turn.text)
    names = [state.name for state in case.states]
    _that(len(set(names)) == len(names), "two states have one name")
    for state in case.states:
        _state(state, direction)
    for control in case.controls:
        _that(control.state in names, "a control is of a state that is not there")
    for fact in case.features:
        Feature.parse(fact.feature)
        _that(fact.role is None or fact.role in ROLES, "a role is none that there is")
        _that(fact.cosine is None or -1.001 <= fact.cosine <= 1.001, "a cosine is not between −1 and 1")


def _state(state: State, direction: Direction | None) -> None:
    _text(state.name)
    Edits.from_text(state.edits, direction)
    _that(0 <= state.p_refusal <= 1, "a probability is not between 0 and 1")
    _that(state.kl > -0.001, "a KL divergence is below 0")
    _that(all(-1.001 <= one <= 1.001 for one in state.cosine), "a cosine is not between −1 and 1")
    if state.cost is not None:
        _that(state.cost.n > 0 and state.cost.kl > -0.001, "a cost is of no prompts, or below 0")
    if state.judgement is not None:
        judgement = state.judgement
        _that(judgement.verdict in VERDICTS, "a verdict is none that there is")
        if judgement.answer is not None:
            _text(judgement.answer)
            _that(text_digest(judgement.answer) == judgement.digest, "an answer is not the one that its digest names")


def _text(text: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"the text {json_text(text[:20])} holds half a character") from error


def _that(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)
