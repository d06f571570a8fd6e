"""A card as a notebook that measures the same again with `from core import …`.

Knows: the notebook format (nbformat 4.5, as plain JSON) and what code repeats a case. Does not know: Jupyter.
Texts of a card become Python literals by `repr`, so nothing in a prompt is read as code.
"""

from __future__ import annotations

import hashlib
from typing import Any

from core.card.contents import Card, Case
from core.errors import InputError

_SCHEMA = (4, 5)


def notebook(card: Card) -> dict[str, Any]:
    """The notebook, its outputs empty. Raises InputError for a card without a measured prompt."""
    if not card.cases:
        raise InputError("This card has no measured prompt, so there is nothing for a notebook to repeat.")
    cells = [_text(_intro(card)), _code(_load(card))]
    for number, case in enumerate(card.cases, start=1):
        cells += [_text(f"## Prompt {number} of {len(card.cases)}"), _code(_measure(case)), _code(_compare(case))]
        if case.tokens:
            cells.append(_code(_answers(case)))
    for number, cell in enumerate(cells):
        cell["id"] = hashlib.sha256(f"{number} {cell['source']}".encode()).hexdigest()[:8]
    return {
        "nbformat": _SCHEMA[0],
        "nbformat_minor": _SCHEMA[1],
        "metadata": {
            "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
            "language_info": {"name": "python"},
        },
        "cells": cells,
    }


def _intro(card: Card) -> str:
    source = card.source
    return (
        f"# Audit card\n\nMade {card.made} on {source.device}, {source.dtype}. Model revision "
        f"{source.revision or 'not specified'}. Run it where Hydrascope is installed, or in its checkout. Numbers "
        "named `stated` are the card’s."
    )


def _load(card: Card) -> str:
    source, lines = card.source, ["from core import Edits, load", ""]
    lines.append(f"engine = load({source.model!r})")
    if source.thinking is not None:
        lines.append(f"engine = engine.with_thinking({source.thinking})")
    if source.direction is None:
        return "\n".join([*lines, "direction = None"])
    return "\n".join(
        [
            "import base64",
            "",
            "import numpy as np",
            "import torch",
            "",
            *lines,
            "",
            "# The card's own direction: float32, unit length.",
            f"vector = np.frombuffer(base64.b64decode({source.direction.vector!r}), dtype='<f4').copy()",
            "from core import Direction",
            "",
            f"direction = Direction({source.direction.layer}, {source.direction.position}, torch.from_numpy(vector), "
            f"{source.direction.norm})",
            "engine.use_direction(direction)",
        ]
    )


def _measure(case: Case) -> str:
    turns = [(turn.role, turn.text) for turn in case.turns]
    asked = f"prompt = {turns[0][1]!r}"
    if len(turns) > 1:
        asked = f"from core import Conversation\n\nprompt = Conversation({turns!r})"
    words = {state.name: state.edits for state in case.states}
    return (
        f"{asked}\nwords = {words!r}\n"
        "sets = {name: Edits.from_text(text, direction) for name, text in words.items()}\n"
        "found = engine.measure([prompt], list(sets.values()), kl=True)\n"
        "scores = dict(zip(sets, found.refusal_score[0].tolist()))\nscores"
    )


def _compare(case: Case) -> str:
    stated = {state.name: state.refusal_score for state in case.states}
    cosines = {state.name: list(state.cosine) for state in case.states}
    return (
        f"stated = {stated!r}\n"
        "differences = {name: scores[name] - score for name, score in stated.items()}\n"
        f"stated_cosine = {cosines!r}\n"
        "cosine = dict(zip(sets, found.cosine[0].tolist()))\ndifferences"
    )


def _answers(case: Case) -> str:
    return (
        f"answers = dict(zip(sets, engine.answers([prompt], list(sets.values()), {case.tokens})[0]))\n"
        "verdicts = {name: str(engine.verdict(prompt, answer)) for name, answer in answers.items()}\n"
        "verdicts"
    )


def _text(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text}


def _code(text: str) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": [], "source": text}
