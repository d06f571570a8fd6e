"""A card measured again: which of its numbers agree on this machine, which do not, and which cannot be checked.

Knows: what a difference of model, SAEs, direction or judge takes away. Does not know: how a prompt is measured again
(`again.py`), files, or how a result is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from core.card.again import Known, case_checks
from core.card.compare import Check, Checked, equal, near, tolerance_for, unchecked
from core.card.contents import Card, JudgeUsed, Source
from core.card.left import left_out, same_judge
from core.card.source import direction_of, source_of
from core.edits.direction import Direction
from core.engine import Engine
from core.errors import InputError
from core.labels.notes import read_labels
from core.labels.origins import origins_of
from core.progress import QUIET, Progress
from core.text.reasons import reason_of


def verify(card: Card, engine: Engine, progress: Progress = QUIET) -> Checked:
    """Measure again what the card's cases say, and look up what can be; the rest is named in `Checked.left`. The card's
    own direction is used; the engine is not changed.

    Raises InputError, AssetError.
    """
    thinking = card.source.thinking
    engine = engine if thinking is None or engine.runtime.template.thinking is None else engine.with_thinking(thinking)
    here = source_of(engine)
    tolerance, foreign = tolerance_for(card.source, here), other_model(card.source, here)
    if foreign:
        return Checked(card, tolerance, (foreign,), (), True)
    altered = altered_layers(card.source, here)
    engine, direction = _with_direction(engine, card.source)
    labels = read_labels(engine.spec.labels, origins_of(engine))
    known = Known(engine, here, card, altered, direction, tolerance, labels)
    checks: list[Check] = []
    if same_judge(card.source.judge, here.judge):
        checks += _with_people(card.source.judge, here.judge)
    for number, case in enumerate(card.cases):
        progress(f"Measuring prompt {number + 1} of {len(card.cases)}", number / len(card.cases))
        name = "" if len(card.cases) == 1 else f"prompt {number + 1}, "
        checks += case_checks(known, case, name)
    if card.run:
        for one in card.run.tables:
            checks.append(unchecked("run", f"table “{one.title}”", f"{len(one.rows)} rows", _RUN))
    left = left_out(card, here.judge, labels, altered, tolerance)
    progress("Compared", 1.0)
    return Checked(card, tolerance, tuple(_notes(card.source, here, altered)), tuple(checks), False, left)


_RUN = "A run’s tables are repeated by `hydrascope discover --repeat CARD`."


def _with_people(card: JudgeUsed, here: JudgeUsed) -> Iterator[Check]:
    """How far the judge agrees with people, looked up again."""
    ends = {"κ with people": "kappa", "κ with people, lower end": "low", "κ with people, upper end": "high"}
    for what, name in ends.items():
        first, second = (math.nan if (value := getattr(one, name)) is None else value for one in (card, here))
        yield near("the judge", what, first, second, 0.0)
    yield equal("the judge", "answers compared with people", str(card.n), str(here.n))


def other_model(card: Source, here: Source) -> str:
    """Why nothing can be compared, in a sentence; empty where something can."""
    if (card.weights and here.weights and card.weights != here.weights) or (card.n_layers, card.architecture) != (
        here.n_layers,
        here.architecture,
    ):
        return (
            f"It was made with other files of “{card.model}” ({card.revision or 'no revision'}, digest "
            f"{card.weights}) than are here ({here.revision or 'no revision'}, {here.weights})."
        )
    if not (card.weights and here.weights) and (card.model_id, card.revision) != (here.model_id, here.revision):
        return (
            f"It was made with {card.model_id} ({card.revision or 'no revision'}), and this machine has "
            f"{here.model_id} ({here.revision or 'no revision'})."
        )
    if card.refusal_tokens != here.refusal_tokens:
        return (
            f"Its refusal tokens are {card.refusal_tokens}, and those of “{here.model}” here are {here.refusal_tokens}."
        )
    return ""


def altered_layers(card: Source, here: Source) -> frozenset[int]:
    """Layers whose SAE in the card is another here, or missing."""
    digests = {one.layer: one.digest for one in here.saes}
    return frozenset(one.layer for one in card.saes if digests.get(one.layer) != one.digest)


def _with_direction(engine: Engine, source: Source) -> tuple[Engine, Direction | None]:
    """An engine of the same model that has the card's direction."""
    other = Engine(engine.runtime, engine.placement.partition(": ")[2])
    if source.direction is None:
        return other, None
    try:
        direction = direction_of(source.direction)
    except ValueError as error:
        raise InputError(
            f"The direction in this card cannot be read ({reason_of(error)}). Get the card again."
        ) from error
    other.use_direction(direction)
    return other, direction


def _notes(card: Source, here: Source, altered: frozenset[int]) -> Iterator[str]:
    if altered:
        yield (
            f"The SAEs of {'layer' if len(altered) == 1 else 'layers'} {', '.join(map(str, sorted(altered)))} are "
            "others than in the card, so what depends on them was not checked."
        )
    if card.model != here.model or card.revision != here.revision:
        yield f"The card names the model {card.model} ({card.revision}), here it is {here.model} ({here.revision})."
    if card.direction and here.direction and card.direction.key != here.direction.key:
        yield "The model’s refusal direction here is another; the card’s own was used."
    if not same_judge(card.judge, here.judge):
        yield f"The judge here is {here.judge.name} ({here.judge.revision}), so the verdicts were not checked."
    if changed := [
        f"{n} {v}, here {here.versions.get(n, 'none')}" for n, v in card.versions.items() if here.versions.get(n) != v
    ]:
        yield f"Versions differ: {'; '.join(changed)}."
