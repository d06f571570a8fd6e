"""One prompt of a card measured again, number by number.

Knows: which measurement each number came from. Does not know: whether the model is the same (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from core.card.compare import Check, Tolerance, alike, equal, near, unchecked
from core.card.contents import Card, Case, FeatureFacts, Judgement, Source, State
from core.card.features import cosines_of, largest
from core.card.left import known_label, same_judge
from core.card.make import cost_of, judgements, measured
from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.edits.validation import named_features
from core.engine import Engine
from core.hydra import refresh, self_repair
from core.hydra.control_edits import random_direction
from core.labels.notes import Labels


class Known(NamedTuple):
    """What a check goes by. altered: layers whose SAE is another than in the card. direction: the card's own.
    labels: those that come with the model or its SAEs."""

    engine: Engine
    here: Source
    card: Card
    altered: frozenset[int]
    direction: Direction | None
    tolerance: Tolerance
    labels: Labels


def case_checks(known: Known, case: Case, name: str) -> list[Check]:
    """Everything of one prompt that can be measured or looked up again."""
    states = [(state, Edits.from_text(state.edits, known.direction)) for state in case.states]
    draws = [
        (control.state, n, draw, _drawn(known, draw.edits, draw.seed))
        for control in case.controls
        for n, draw in enumerate(control.draws, start=1)
    ]
    alone = [(one, Edits.ablate([Feature.parse(one.feature)])) for one in case.features]
    wanted = [e for _, e in states] + [d[3] for d in draws] + [e for f, e in alone if f.effect is not None]
    sets = [one for one in dict.fromkeys([Edits(), *wanted]) if not _lost(known, one)]
    watch = [f for one, e in alone for f in e.features if one.how == "edited" and not _lost(known, e)]
    found = measured(known.engine, case.prompt, sets, watch)
    place = {edits: n for n, edits in enumerate(sets)}
    score, tolerance = found.refusal_score[0], known.tolerance
    assert found.kl is not None
    checks: list[Check] = []
    for state, edits in states:
        where = f"{name}{state.name}"
        if why := _lost(known, edits):
            checks += [unchecked(where, what, value, why) for what, value in _numbers(state)]
            continue
        n = place[edits]
        checks.append(near(where, "refusal score", state.refusal_score, score[n], tolerance.score))
        for what, value, here in (
            ("P(refusal token)", state.p_refusal, float(found.p_refusal[0, n])),
            ("KL here", state.kl, float(found.kl[0, n])),
        ):
            checks.append(near(where, what, value, here, share_of(value, here, tolerance)))
        if state.cosine:  # a model without a direction has none
            checks.append(_cosines(where, state.cosine, found.cosine[0, n], tolerance))
    for owner, number, draw, edits in draws:
        where = f"{name}{owner}, control {number}"
        if why := _lost(known, edits):
            checks.append(unchecked(where, "refusal score", draw.refusal_score, why))
        else:
            checks.append(near(where, "refusal score", draw.refusal_score, score[place[edits]], tolerance.score))
    cosine = cosines_of(known.engine, watch)
    activation = largest(known.engine, found)
    seen = {f: (float(activation[w]), float(cosine[w])) for w, f in enumerate(watch)}
    for one, edits in alone:
        checks += _feature(known, name, one, edits, seen, score, place)
    good = [(state, edits) for state, edits in states if not _lost(known, edits)]
    return [
        *checks,
        *_answers(known, case, good, name),
        *_costs(known, good, name),
        *_waking(known, case, good, name),
        *_put_back(known, case, name),
    ]


def _drawn(known: Known, text: str, seed: int | None) -> Edits:
    if seed is None or known.direction is None:
        return Edits.from_text(text, known.direction)
    return Edits.from_text(text, random_direction(known.direction, seed))


def _lost(known: Known, edits: Edits) -> str:
    """Why an edit set cannot be measured as in the card; empty where it can."""
    layers = sorted(named_features([edits], ()).keys() & known.altered)
    return f"the SAE of layer {layers[0]} is another" if layers else ""


def share_of(first: float, second: float, tolerance: Tolerance) -> float:
    """A tolerance in proportion, with a least one for numbers near 0."""
    return max(tolerance.share * max(abs(first), abs(float(second))), tolerance.least)


def _numbers(state: State) -> list[tuple[str, float]]:
    return [("refusal score", state.refusal_score), ("P(refusal token)", state.p_refusal), ("KL here", state.kl)]


def _cosines(where: str, card: Sequence[float], here: np.ndarray, tolerance: Tolerance) -> Check:
    """All layers as one number: the largest difference."""
    if len(card) != len(here):
        return unchecked(where, "cosine by layer", "–", "another number of layers")
    apart = float(np.nanmax(np.abs(np.asarray(card) - here.astype(float))))
    return near(where, "cosine by layer, largest difference", 0.0, apart, tolerance.cosine)


def _feature(
    known: Known,
    name: str,
    one: FeatureFacts,
    edits: Edits,
    seen: dict[Feature, tuple[float, float]],
    score: np.ndarray,
    place: dict[Edits, int],
) -> Iterator[Check]:
    where, key = f"{name}feature {one.feature}", edits.features[0]
    if why := _lost(known, edits):
        yield unchecked(where, "activation", one.activation, why)
        return
    if (label := known_label(one, known.labels, known.altered)) is not None:
        yield equal(where, "label", one.label, label)
    if key in seen:
        activation, cosine = seen[key]
        yield near(
            where, "activation", one.activation, activation, share_of(one.activation, activation, known.tolerance)
        )
        if one.cosine is not None:
            yield near(where, "cosine with the direction", one.cosine, cosine, known.tolerance.cosine)
    if one.effect is not None:
        change = float(score[place[edits]] - score[place[Edits()]])
        yield near(where, "effect alone", one.effect, change, 2 * known.tolerance.score)


def _answers(known: Known, case: Case, states: Sequence[tuple[State, Edits]], name: str) -> Iterator[Check]:
    """Verdicts and texts of the answers, written and judged again."""
    kept = [(state, edits, state.judgement) for state, edits in states if state.judgement is not None]
    if not kept:
        return
    again = judgements(known.engine, case.prompt, [edits for _, edits, _ in kept], case.tokens, {}, False)
    same = same_judge(known.card.source.judge, known.here.judge)
    for (state, _, before), now in zip(kept, again, strict=True):
        where = f"{name}{state.name}"
        if same:
            yield equal(where, "verdict", before.verdict, now.verdict)
        else:
            yield unchecked(where, "verdict", before.verdict, "another judge, or another revision of it")
        if known.tolerance.exact_text:
            yield equal(where, "text of the answer, digest", before.digest, now.digest)
            if same:
                yield alike(where, "reason of the verdict", _why(before), _why(now), known.tolerance.share)
        else:
            yield unchecked(where, "text of the answer, digest", before.digest, known.tolerance.why.partition(":")[0])


def _why(one: Judgement) -> str:
    """The reason of a verdict, with everything else that was noted of the answer."""
    noted = {"in a loop": one.looping, "declines late": one.delayed, "ended": one.ended, "cut off": one.ended is False}
    return ", ".join([one.reason, *(words for words, holds in noted.items() if holds)])


def _costs(known: Known, states: Sequence[tuple[State, Edits]], name: str) -> Iterator[Check]:
    kept = [(state, edits) for state, edits in states if state.cost is not None]
    for (state, _), here in zip(kept, cost_of(known.engine, [edits for _, edits in kept]), strict=True):
        before, where = state.cost, f"{name}{state.name}"
        assert before is not None
        if here is None or here.prompts != before.prompts:
            yield unchecked(where, "KL, benign", before.kl, "the benign prompts here are others")
        else:
            within = share_of(before.kl, here.kl, known.tolerance)
            yield near(where, "KL, benign", before.kl, here.kl, within)
            yield near(where, "KL, benign, lower end", before.kl_low, here.kl_low, within)
            yield near(where, "KL, benign, upper end", before.kl_high, here.kl_high, 2 * within)
            yield equal(where, "KL, benign, prompts", str(before.n), str(here.n))


def _waking(known: Known, case: Case, states: Sequence[tuple[State, Edits]], name: str) -> Iterator[Check]:
    for state, edits in states:
        where, prompt = f"{name}{state.name}", case.prompt
        if state.woken is not None:
            if known.altered:  # any layer may wake
                yield unchecked(where, "woken features", float(state.woken), "some SAEs are others")
                continue
            frame = refresh(known.engine, prompt, edits).woken
            yield near(
                where,
                "woken features",
                float(state.woken),
                len(frame),
                share_of(state.woken, len(frame), known.tolerance),
            )
            if state is case.states[1]:  # whose strongest ones are named (`core.card.make`)
                yield from _woken(known, case, frame, name)


def _woken(known: Known, case: Case, frame: pd.DataFrame, name: str) -> Iterator[Check]:
    """The features that are named as woken. frame: those that wake here."""
    here = {Feature(int(layer), int(index)) for layer, index in zip(frame["layer"], frame["index"], strict=True)}
    facts = [one for one in case.features if one.how == "woken"]
    cosines = cosines_of(known.engine, [Feature.parse(one.feature) for one in facts])
    for one, cosine in zip(facts, cosines.tolist(), strict=True):
        where = f"{name}feature {one.feature}"
        if known.tolerance.exact_text:
            yield equal(where, "woken", "yes", "yes" if Feature.parse(one.feature) in here else "no")
        if one.cosine is not None:
            yield near(where, "cosine with the direction", one.cosine, cosine, known.tolerance.cosine)
        yield near(where, "activation", one.activation, 0.0, 0.0)  # dormant before


def _put_back(known: Known, case: Case, name: str) -> Iterator[Check]:
    """What later blocks put back, under the edits and under their controls."""
    stated = [(f"{name}{s.name}", s.put_back, Edits.from_text(s.edits, known.direction)) for s in case.states]
    stated += [
        (f"{name}{control.state}, control {n}", draw.put_back, _drawn(known, draw.edits, draw.seed))
        for control in case.controls
        for n, draw in enumerate(control.draws, start=1)
    ]
    kept = [(where, before, edits) for where, before, edits in stated if before is not None]
    good = [edits for _, _, edits in kept if not _lost(known, edits)]
    here = dict(zip(good, self_repair(known.engine, case.prompt, good), strict=True)) if good else {}
    for where, before, edits in kept:
        assert before is not None
        if edits in here:
            now = here[edits].put_back
            yield near(where, "put back", before, now, share_of(before, now, known.tolerance))
        else:
            yield unchecked(where, "put back", before, _lost(known, edits))
