"""One prompt of a card measured again, number by number.

Knows: which measurement each number came from. Does not know: whether the model is the same (`verify.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from core.card.compare import Check, Tolerance, equal, near, unchecked
from core.card.contents import Card, Case, FeatureFacts, Source, State
from core.card.controls import random_direction
from core.card.features import cosines_of, largest
from core.card.make import cost_of, judgements, measured
from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.edits.validation import named_features
from core.engine import Engine
from core.hydra import refresh, self_repair


class Known(NamedTuple):
    """What a check goes by. altered: layers whose SAE is another than in the card. direction: the card's own."""

    engine: Engine
    here: Source
    card: Card
    altered: frozenset[int]
    direction: Direction | None
    tolerance: Tolerance


def case_checks(known: Known, case: Case, name: str) -> list[Check]:
    """Every number of one prompt."""
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
        checks.append(near(where, "P(refusal token)", state.p_refusal, found.p_refusal[0, n], tolerance.score / 4))
        checks.append(near(where, "KL here", state.kl, found.kl[0, n], _share(state.kl, found.kl[0, n], tolerance)))
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


def _share(first: float, second: float, tolerance: Tolerance) -> float:
    """A tolerance in proportion, with a floor for numbers near 0."""
    return max(tolerance.share * max(abs(first), abs(float(second))), tolerance.share / 10)


def _numbers(state: State) -> list[tuple[str, float]]:
    return [("refusal score", state.refusal_score), ("P(refusal token)", state.p_refusal), ("KL here", state.kl)]


def _cosines(where: str, card: Sequence[float], here: np.ndarray, tolerance: Tolerance) -> Check:
    """All layers as one number: the largest difference."""
    if not card or len(card) != len(here):
        return unchecked(where, "cosine by layer", "–", "the card has none" if not card else "another number of layers")
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
    if key in seen:
        activation, cosine = seen[key]
        yield near(where, "activation", one.activation, activation, _share(one.activation, activation, known.tolerance))
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
    card, here = known.card.source.judge, known.here.judge
    for (state, _, before), now in zip(kept, again, strict=True):
        where = f"{name}{state.name}"
        if (card.name, card.revision) == (here.name, here.revision):
            yield equal(where, "verdict", before.verdict, now.verdict)
        else:
            yield unchecked(where, "verdict", before.verdict, "another judge, or another revision of it")
        if known.tolerance.exact_text:
            yield equal(where, "text of the answer, digest", before.digest, now.digest)
        else:
            yield unchecked(where, "text of the answer, digest", before.digest, known.tolerance.why.partition(":")[0])


def _costs(known: Known, states: Sequence[tuple[State, Edits]], name: str) -> Iterator[Check]:
    kept = [(state, edits) for state, edits in states if state.cost is not None]
    for (state, _), here in zip(kept, cost_of(known.engine, [edits for _, edits in kept]), strict=True):
        before, where = state.cost, f"{name}{state.name}"
        assert before is not None
        if here is None or here.prompts != before.prompts:
            yield unchecked(where, "KL, benign", before.kl, "the benign prompts here are others")
        else:
            yield near(where, "KL, benign", before.kl, here.kl, _share(before.kl, here.kl, known.tolerance))


def _waking(known: Known, case: Case, states: Sequence[tuple[State, Edits]], name: str) -> Iterator[Check]:
    for state, edits in states:
        where, prompt = f"{name}{state.name}", case.prompt
        if state.woken is not None:
            if known.altered:  # any layer may wake
                yield unchecked(where, "woken features", float(state.woken), "some SAEs are others")
            else:
                woken = len(refresh(known.engine, prompt, edits).woken)
                yield near(
                    where, "woken features", float(state.woken), woken, _share(state.woken, woken, known.tolerance)
                )


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
            yield near(where, "put back", before, now, _share(before, now, known.tolerance))
        else:
            yield unchecked(where, "put back", before, _lost(known, edits))
