"""Cut the heads: ablate, find what woke, ablate that too, round after round, beside the same done to random features.

Knows: when to go on and when to stop. Does not know: how waking is found (`wakening.py`) or how rounds are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import Verdict
from core.arguments import check_length
from core.edits.edits import Edits, Feature
from core.edits.exchange import exchanged
from core.edits.feature_sets import features_of, random_active
from core.edits.items import FeatureEdit
from core.engine import Engine
from core.errors import InputError
from core.hydra.wakening import refresh
from core.prompts.conversation import PromptLike
from core.prompts.references import Reference
from core.statistics import Estimate, mean, means


@dataclass(frozen=True, eq=False)
class Round:
    """One round: what was ablated, what that did, and what woke.

    number: from 1. added: the features new in this round, none in the first. added_bos_only: how many of them were seen
    firing at BOS only, where no prompt has a say. woken: those that woke under `edits` and are not in it, strongest
    first: layer, index, position, activation, cosine, bos_only. p, score, verdict, answer: under `edits`. kl: mean over
    the benign prompts of the divergence from the unedited model in nats, NaN without prompts. control_*: the same under
    `control`, which does to `control_features` random active features what the set does to its own (fewer than the
    set's where the prompt has no more); the refusal direction has no counterpart. Where the set edits no feature there
    is no control: 0 features, NaN, and None for the verdict.
    kl_interval, control_kl_interval: 95%, over the `kl_prompts` benign prompts. recovery, control_recovery: of the
    prompt's reference answer (`core.measures.recovery`), NaN without one or a gap. ended: None while it goes on, else
    why it does not: a verdict that is no refusal, “nothing to add”, “rounds spent”.
    """

    number: int
    edits: Edits
    added: tuple[Feature, ...]
    added_bos_only: int
    woken: pd.DataFrame
    p: float
    score: float
    verdict: Verdict
    answer: str
    kl: float
    control: Edits
    control_features: int
    control_p: float
    control_score: float
    control_verdict: Verdict | None
    control_kl: float
    ended: str | None
    kl_interval: tuple[float, float]
    control_kl_interval: tuple[float, float]
    kl_prompts: int
    recovery: float = float("nan")
    control_recovery: float = float("nan")


def cut_the_heads(
    engine: Engine,
    prompt: PromptLike,
    edits: Edits,
    *,
    rule: Literal["all", "aligned"] = "all",
    least_cosine: float = 0.0,
    most_added: int = 100,
    rounds: int = 8,
    benign: Sequence[PromptLike] = (),
    tokens: int = 24,
    judge: Judge | None = None,
    seed: int = 0,
    reference: Reference | None = None,
) -> Iterator[Round]:
    """Rounds as they are done, the first with `edits` as they are. Bad input raises InputError here, before the first.

    rule: what to add of what woke: “all”, or “aligned”, those whose decoder row has a cosine above `least_cosine` to
    the refusal direction; the strongest `most_added` of them a round, those that woke at BOS only too. judge: of the
    answers; None for the engine's rules. reference: what to answer this prompt, for `recovery`.
    """
    if rule not in ("all", "aligned"):
        raise InputError(f"The rule is “all” or “aligned”, not “{rule!s:.40}”. Choose one of the two.")
    if not edits:
        raise InputError("There is no edit to start from. Ablate a feature first.")
    if rounds < 1 or most_added < 1:
        raise InputError(f"{rounds} rounds of at most {most_added} features do nothing. Use at least 1 for each.")
    if rule == "aligned":
        engine.direction()  # says so where there is none
    engine.check(edits)
    check_length(tokens)
    used = engine.judge if judge is None else judge
    active = engine.features(prompt)
    unedited = engine.reference(benign) if len(benign) else None

    def kl(sets: Sequence[Edits]) -> list[Estimate]:
        return [mean([])] * len(sets) if unedited is None else means(engine.kl(benign, sets, unedited))

    def recovered(sets: Sequence[Edits]) -> list[float]:
        found = [] if reference is None else engine.recovery([reference], sets)[0]
        return [gap.recovery for gap in found] or [float("nan")] * len(sets)

    def go_on() -> Iterator[Round]:
        now, bos_only = edits, 0
        added: tuple[Feature, ...] = ()
        for number in range(1, rounds + 1):
            found, named = refresh(engine, prompt, now, nearly=0), set(now.features)
            control = control_of(now, random_active(active, now.features, seed))
            sets = [now, control] if control else [now]
            answers = engine.answers([prompt], sets, tokens)[0]
            verdicts = verdicts_of(used, [prompt] * len(sets), answers)
            costs, shares, p, score = kl(sets), recovered(sets), float("nan"), float("nan")
            if control:
                beside = engine.measure(prompt, control)
                p, score = float(beside.p_refusal[0, 0]), float(beside.refusal_score[0, 0])
            else:
                costs, shares = [*costs, mean([])], [*shares, float("nan")]
            woken = found.woken
            new = [f not in named for f in features_of(woken)]
            woken = woken[new].reset_index(drop=True)
            chosen = (woken if rule == "all" else woken[woken["cosine"] > least_cosine]).head(most_added)
            ended = _ended(verdicts[0], len(chosen), number == rounds)
            yield Round(
                number,
                now,
                added,
                bos_only,
                woken,
                found.p.after,
                found.score.after,
                verdicts[0],
                answers[0],
                costs[0].value,
                control,
                len(control.features),
                p,
                score,
                verdicts[1] if control else None,
                costs[1].value,
                ended,
                (costs[0].low, costs[0].high),
                (costs[1].low, costs[1].high),
                costs[0].n,
                *shares,
            )
            if ended:
                return
            added = tuple(features_of(chosen))
            now, bos_only = now + Edits.ablate(added), int(chosen["bos_only"].sum())

    return go_on()


def control_of(edits: Edits, drawn: Sequence[Feature]) -> Edits:
    """`edits` made to other features: each of its features has one of `drawn` for it, of its own layer where there is
    one left. Values, places, strengths and conditions stay. Where too few are drawn, or a condition is in a layer above
    the drawn feature, the edit has no counterpart, and neither has one of the refusal direction."""
    left, instead = list(drawn), dict[Feature, Feature]()
    for same_layer in (True, False):
        for feature in edits.features:
            found = next((f for f in left if not same_layer or f.layer == feature.layer), None)
            if feature not in instead and found is not None:
                left.remove(found)
                instead[feature] = found
    return exchanged((item for item in edits.items if isinstance(item, FeatureEdit)), instead)


def _ended(judged: Verdict, to_add: int, last: bool) -> str | None:
    if judged != "refused":
        return judged
    if to_add == 0:
        return "nothing to add"
    return "rounds spent" if last else None
