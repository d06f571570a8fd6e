"""Making a card: prompts under edit sets, measured with everything that has to stand beside each number.

Knows: what of a case is measured, and in which batch. Does not know: how a card is shown or checked, or where labels
come from. What `core.card.verify` measures again goes through `measured` here, so that the two cannot differ.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np

from core.answers.answer import Answer
from core.answers.judge import ended_of
from core.card.contents import (
    UNEDITED,
    Card,
    Case,
    Control,
    Cost,
    Draw,
    Judgement,
    State,
    rounded,
    text_digest,
    turns_of,
)
from core.card.features import About, edited_facts, finite, woken_facts
from core.card.source import source_of
from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.errors import InputError
from core.hydra import refresh, self_repair
from core.hydra.control_edits import Drawn, controls_for
from core.measures.scores import Measurement
from core.progress import QUIET, Progress
from core.prompts.checks import prompts_digest
from core.prompts.conversation import PromptLike
from core.prompts.shipped import cost_texts, read_shipped
from core.statistics import Estimate, mean

#: Features described in a case, and how many of them are ablated alone.
MOST_FEATURES, MOST_ALONE = 200, 40
#: What the edits are called where nobody names them, and letters of a name.
EDITED, LONGEST_NAME = "Edited", 24


class Asked(NamedTuple):
    """One prompt with its named edit sets. tokens: longest answer; 0 writes none. answers: those already written, by
    edit set."""

    prompt: PromptLike
    states: tuple[tuple[str, Edits], ...]
    tokens: int
    answers: Mapping[Edits, Answer]


def make_card(
    engine: Engine,
    asked: Sequence[Asked],
    *,
    page: str,
    agreed: bool,
    about: About,
    seed: int = 0,
    waking: bool = False,
    progress: Progress = QUIET,
) -> Card:
    """Measure everything and put it together. page: where it is made. agreed: keep the answers' texts. waking: also
    what wakes, and what later blocks put back. Raises InputError, AssetError.
    """
    cases = make_cases(engine, asked, about=about, seed=seed, agreed=agreed, waking=waking, progress=progress)
    command, source = command_for(engine, asked, agreed, seed, waking), source_of(engine)
    return rounded(Card(page, now(), command, seed, agreed, source, tuple(cases), None))


def make_cases(
    engine: Engine,
    asked: Sequence[Asked],
    *,
    about: About,
    seed: int,
    agreed: bool = False,
    waking: bool = False,
    lean: bool = False,
    progress: Progress = QUIET,
) -> list[Case]:
    """Each prompt measured. lean: without controls, effects of single features, and costs. Raises InputError."""
    if not asked:
        raise InputError("A card needs at least one prompt. Give one.")
    for one in asked:
        _check(one)
    cases = []
    for number, one in enumerate(asked):
        progress(f"Measuring prompt {number + 1} of {len(asked)}", number / len(asked))
        cases.append(_case(engine, one, agreed, about, seed, waking, lean))
    progress("Measured", 1.0)
    return cases


def _check(asked: Asked) -> None:
    """Raises InputError unless every state can be told from the others."""
    names = [UNEDITED, *(name for name, _ in asked.states)]
    if len(set(names)) < len(names) or not all(0 < len(name) <= LONGEST_NAME for name in names):
        raise InputError(
            f"The sets of edits need different names of at most {LONGEST_NAME} letters, other than “{UNEDITED}”."
        )
    if asked.tokens < 0:
        raise InputError(f"The length of an answer is {asked.tokens}. Give a number of tokens, or 0 for no answer.")


def now() -> str:
    """The time, UTC, to the second."""
    return f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC"


def command_for(engine: Engine, asked: Sequence[Asked], agreed: bool, seed: int, waking: bool) -> str:
    """The command that makes the same card again. Empty where the prompts have different edits, or earlier turns."""
    first = asked[0]
    if any(not isinstance(a.prompt, str) or (a.states, a.tokens) != (first.states, first.tokens) for a in asked):
        return ""
    words = ["hydrascope", "card", "make", *(str(one.prompt) for one in asked), "--model", engine.spec.name]
    for name, edits in first.states:
        words += ["--ablate", edits.to_text()] if name == EDITED else ["--pin", f"{name}={edits.to_text()}"]
    words += ["--tokens", str(first.tokens)] + (["--seed", str(seed)] if seed else [])
    words += ["--answers"] * agreed + ["--waking"] * waking + ["--thinking"] * bool(engine.runtime.template.thinking)
    return shlex.join([*words, "--out", "card.html"])


def measured(engine: Engine, prompt: PromptLike, sets: Sequence[Edits], watch: Sequence[Feature] = ()) -> Measurement:
    """Every edit set of a case on its prompt. Raises InputError."""
    return engine.measure([prompt], sets, watch, kl=True)


def cost_of(engine: Engine, sets: Sequence[Edits]) -> list[Cost | None]:
    """What each edit set costs on the model's benign prompts; None for no edit and without such prompts."""
    texts = cost_texts(read_shipped(engine.spec.prompts)) if engine.spec.prompts else []
    edited = list(dict.fromkeys(one for one in sets if one))
    if not texts or not edited:
        return [None] * len(sets)
    found = dict(zip(edited, map(mean, engine.kl(texts, edited).T), strict=True))
    return [_cost(found[one], prompts_digest(texts)) if one else None for one in sets]


def _cost(kl: Estimate, prompts: str) -> Cost:
    return Cost(kl.value, kl.low, kl.high, kl.n, prompts)


def judgements(
    engine: Engine, prompt: PromptLike, sets: Sequence[Edits], tokens: int, known: Mapping[Edits, Answer], agreed: bool
) -> list[Judgement]:
    """What the answer under each edit set is. known: answers that are written already."""
    missing = [one for one in dict.fromkeys(sets) if one not in known]
    written = dict(zip(missing, engine.answers([prompt], missing, tokens)[0], strict=True)) if missing else {}
    answers = [known[one] if one in known else written[one] for one in sets]
    ended = ended_of(answers)
    decisions = engine.judge.decisions([prompt] * len(answers), answers, ended)
    return [
        Judgement(
            d.verdict, d.reason, d.looping, d.delayed, str(text) if agreed else None, text_digest(str(text)), done
        )
        for d, text, done in zip(decisions, answers, ended, strict=True)
    ]


def _case(engine: Engine, asked: Asked, agreed: bool, about: About, seed: int, waking: bool, lean: bool) -> Case:
    states = [(UNEDITED, Edits()), *((name, edits) for name, edits in asked.states if edits)]
    sets = [edits for _, edits in states]
    named = list(dict.fromkeys(feature for edits in sets for feature in edits.features))
    drawn = [] if lean else [controls_for(engine, asked.prompt, edits, seed) for edits in sets[1:]]
    alone = [] if lean else [Edits.ablate([feature]) for feature in named[:MOST_ALONE]]
    every = list(dict.fromkeys([*sets, *(d for one in drawn for d in one.draws), *alone]))
    found = measured(engine, asked.prompt, every, named)
    place = {edits: number for number, edits in enumerate(every)}
    score = found.refusal_score[0]
    judged: Sequence[Judgement | None] = [None] * len(sets)
    if asked.tokens:
        judged = judgements(engine, asked.prompt, sets, asked.tokens, asked.answers, agreed)
    costs = [None] * len(sets) if lean else cost_of(engine, sets)
    woke, put_back = _waking(engine, asked.prompt, sets, drawn) if waking else ({}, {})
    shown = edited_facts(engine, named, found, about)
    effects = {f: float(score[place[e]] - score[0]) for f, e in zip(named, alone, strict=False)}
    return Case(
        turns=turns_of(asked.prompt),
        tokens=asked.tokens,
        states=tuple(
            _state(name, edits, found, place[edits], one, cost, woke, put_back)
            for (name, edits), one, cost in zip(states, judged, costs, strict=True)
        ),
        controls=tuple(
            Control(name, one.about, _draws(one, score, place, put_back))
            for (name, _), one in zip(states[1:], drawn, strict=False)
        ),
        features=(
            *(one._replace(effect=effects.get(Feature.parse(one.feature))) for one in shown[:MOST_FEATURES]),
            *(woken_facts(engine, asked.prompt, sets[1], about) if waking and len(sets) > 1 else ()),
        ),
        more=max(0, len(shown) - MOST_FEATURES),
    )


def _state(
    name: str,
    edits: Edits,
    found: Measurement,
    column: int,
    judged: Judgement | None,
    cost: Cost | None,
    woke: Mapping[Edits, int],
    put_back: Mapping[Edits, float],
) -> State:
    assert found.kl is not None
    cosine = found.cosine[0, column].astype(float)
    return State(
        name=name,
        edits=edits.to_text(),
        p_refusal=float(found.p_refusal[0, column]),
        refusal_score=float(found.refusal_score[0, column]),
        kl=float(found.kl[0, column]) + 0.0,  # never −0
        cosine=() if np.isnan(cosine).all() else tuple(cosine.tolist()),
        judgement=judged,
        cost=cost,
        woken=woke.get(edits),
        put_back=finite(put_back.get(edits)),
    )


def _draws(
    drawn: Drawn, score: np.ndarray, place: Mapping[Edits, int], put_back: Mapping[Edits, float]
) -> tuple[Draw, ...]:
    return tuple(
        Draw(edits.to_text(), seed, float(score[place[edits]]), finite(put_back.get(edits)))
        for edits, seed in zip(drawn.draws, drawn.seeds, strict=True)
    )


def _waking(
    engine: Engine, prompt: PromptLike, sets: Sequence[Edits], drawn: Sequence[Drawn]
) -> tuple[dict[Edits, int], dict[Edits, float]]:
    """How many features each edit set wakes, and what later blocks put back under it and under its controls."""
    edited = [one for one in sets if one]
    woke = {one: len(refresh(engine, prompt, one).woken) for one in edited if one.features}
    every = list(dict.fromkeys([*edited, *(d for one in drawn for d in one.draws)]))
    found = self_repair(engine, prompt, every) if every else []
    return woke, {edits: one.put_back for edits, one in zip(every, found, strict=True)}
