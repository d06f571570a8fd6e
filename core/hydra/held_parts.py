"""Cutting the repairers: parts held at what they wrote in the unedited run while the edit acts, beside other parts.

Knows: which parts are held, and what becomes of the logit. Does not know: how the parts were chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.edits.edits import Edits
from core.engine import Engine
from core.errors import InputError
from core.forward.passes import Part
from core.hydra.self_repair import frozen_change, lowest_layer
from core.measures.scores import refusal_score
from core.prompts.conversation import PromptLike

#: Random draws of other parts that the chosen ones are compared with.
DRAWS = 5


@dataclass(frozen=True, eq=False)
class HeldParts:
    """The edit alone, with the parts held, and with as many random other parts held. Plain values.

    parts: (layer, “attention” or “mlp”) of what was held. controls: the other parts of each draw, fewer than `parts`
    where there are no more. p, score: probability of the tokens and its log-odds, by name: “unedited”, “edited” and
    “held” float, and one number a draw, float64 [draws], in p_control and score_control. change: what the edit does to
    the logit at the unedited norm's scale, “edited” and “held”; change_control: float64 [draws].
    """

    parts: tuple[Part, ...]
    controls: tuple[tuple[Part, ...], ...]
    p: dict[str, float]
    score: dict[str, float]
    change: dict[str, float]
    p_control: np.ndarray
    score_control: np.ndarray
    change_control: np.ndarray


def hold_parts(
    engine: Engine,
    prompt: PromptLike,
    edits: Edits,
    parts: Sequence[Part],
    tokens: Sequence[int] | None = None,
    *,
    draws: int = DRAWS,
    seed: int = 0,
) -> HeldParts:
    """Hold `parts` at the last prompt token while `edits` act. Two passes; without an edit holding changes nothing.

    Controls are drawn at random, from `seed` on, among the other parts of layers above the lowest edited one. tokens:
    as in `self_repair`. Raises InputError: no part, one that does not exist or is not above the edit.
    """
    checked, lowest = engine.reader.checked_parts(parts), lowest_layer(edits, engine.n_layers)
    if not checked or draws < 0:
        raise InputError(
            "No part was given to hold, or less than no draw. Give at least one part, such as (20, “mlp”)."
        )
    if any(layer <= lowest for layer, _ in checked):
        raise InputError(
            f"A part can be held in layers above the lowest edited one, {lowest}. Below it nothing has changed."
        )
    chosen = tuple(engine.spec.refusal_tokens if tokens is None else tokens)
    logit, made = engine.reader.token_logit(chosen), engine.prompt(prompt)
    written = engine.reader.last_token(made, [Edits()]).written
    others = sorted(part for part in written if part[0] > lowest and part not in checked)
    controls = drawn_parts(others, len(checked), draws, seed)
    rows: dict[Part, list[int]] = {}
    for row, group in enumerate([tuple(checked), *controls], start=2):
        for part in group:
            rows.setdefault(part, []).append(row)
    held = {part: (which, written[part]) for part, which in rows.items()}
    found = engine.reader.last_token(made, [Edits(), edits, edits, *[edits] * len(controls)], held)
    p = found.probability(chosen)
    score = refusal_score(p)
    change = frozen_change(found, logit.frozen(found.after[0, -1].double().numpy()))
    names = ("unedited", "edited", "held")
    return HeldParts(
        tuple(checked),
        controls,
        dict(zip(names, map(float, p), strict=False)),
        dict(zip(names, map(float, score), strict=False)),
        {"edited": float(change[1]), "held": float(change[2])},
        p[3:],
        score[3:],
        change[3:],
    )


def drawn_parts(others: Sequence[Part], count: int, draws: int, seed: int) -> tuple[tuple[Part, ...], ...]:
    """`draws` random groups of `count` of `others`, or of all there are; none where there are no others."""
    if not others:
        return ()
    generator = np.random.default_rng(seed)
    picked = [generator.permutation(len(others))[:count] for _ in range(draws)]
    return tuple(tuple(sorted(others[i] for i in some)) for some in picked)
