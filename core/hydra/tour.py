"""The example of the guided tour: one prompt, one edit set, and the few measurements that tell its story.

Knows: what is measured, and in which parts. Does not know: files (`tour_file.py`), words or pages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import pandas as pd

from core.edits.edits import Edits
from core.engine import Engine
from core.hydra.controlled_repair import Repair, repair_with_controls
from core.hydra.dose import STRENGTHS, dose
from core.hydra.groups import matters_by
from core.hydra.held_parts import HeldParts, hold_parts
from core.hydra.self_repair import self_repair
from core.hydra.wakening import Wakening, refresh

#: What is measured of an example, each by itself, so that one step can be measured again.
Part = Literal["answers", "repair", "held", "woken", "matters", "dose"]
PARTS: tuple[Part, ...] = get_args(Part)
#: The longest answer, in tokens.
ANSWER_TOKENS = 32


class Example(NamedTuple):
    """held: how many of the parts that raise the refusal logit most are held."""

    prompt: str
    edits: Edits
    held: int


class Spoken(NamedTuple):
    """One answer, with the verdict on it; p and score are of its first token."""

    p: float
    score: float
    answer: str
    verdict: str


class Answers(NamedTuple):
    """The same prompt without and under the edits."""

    before: Spoken
    after: Spoken


@dataclass(frozen=True, eq=False)
class Measured:
    """Everything of an example. held: None where no part above the edits raises the refusal logit. matters: as
    `core.hydra.matters_by` gives it, a group a layer; empty where nothing woke. dose: as `core.hydra.dose` gives it,
    without benign prompts.
    """

    answers: Answers
    repair: Repair
    held: HeldParts | None
    woken: Wakening
    matters: pd.DataFrame
    dose: pd.DataFrame


def measure_part(engine: Engine, example: Example, part: Part) -> object:
    """That attribute of `Measured`, measured now. Raises InputError, AssetError."""
    prompt, edits = example.prompt, example.edits
    if part == "answers":
        return _answers(engine, prompt, edits)
    if part == "repair":
        return repair_with_controls(engine, prompt, edits)
    if part == "held":
        parts = self_repair(engine, prompt, [edits])[0].restoring(example.held)
        return hold_parts(engine, prompt, edits, parts) if parts else None
    if part == "woken":
        return refresh(engine, prompt, edits)
    if part == "matters":
        return matters_by(engine, prompt, edits, refresh(engine, prompt, edits))
    return dose(engine, prompt, edits, STRENGTHS)


def measure(engine: Engine, example: Example) -> Measured:
    """Everything of an example, measured now. Raises InputError, AssetError."""
    return Measured(**{part: measure_part(engine, example, part) for part in PARTS})  # type: ignore[arg-type]


def _answers(engine: Engine, prompt: str, edits: Edits) -> Answers:
    sets = [Edits(), edits]
    found, (written,) = engine.measure([prompt], sets), engine.answers([prompt], sets, ANSWER_TOKENS)
    numbers = zip(found.p_refusal[0], found.refusal_score[0], written, strict=True)
    return Answers(*(Spoken(float(p), float(s), str(a), str(engine.verdict(prompt, a))) for p, s, a in numbers))
