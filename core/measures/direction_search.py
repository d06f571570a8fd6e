"""Computing the refusal direction and choosing its layer, both published ways.

Paper, appendix “Deriving a Refusal Steering Vector”: difference of means of resid_post at the last token, layer by
highest attack success rate on held-out prompts, or the layer it reports for a model it used. Arditi et al. 2024,
section 2.3: lowest refusal score on held-out harmful prompts when ablated, among layers below 80% of the depth, with
KL on harmless prompts at most 0.1 and a harmless refusal score of at least 0 when the raw difference is added.
Knows: prompt sets as text, the runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from core.answers.generate import answers
from core.answers.judge import Judge
from core.answers.rule_judges import rules_judge, verdicts_of
from core.answers.verdicts import Verdict
from core.edits.direction import Direction, make_direction
from core.edits.edits import Edits
from core.errors import InputError
from core.forward.batches import run
from core.forward.passes import PassRequest
from core.forward.runtime import Runtime
from core.measures.scores import measure, reference_logprobs
from core.progress import Progress
from core.prompts.template import Prompt
from core.statistics import mean, rate

RULES = ("paper", "arditi", "balanced")
PUBLISHED = "published"  # the layer the paper reports; nothing is chosen, so that layer alone is scored
KL_LIMIT, INDUCE_LIMIT, DEPTH_LIMIT = 0.1, 0.0, 0.8


@dataclass(frozen=True)
class Candidate:
    """One layer's direction, scored on held-out prompts.

    flip_rate: share of refused harmful prompts that comply when it is ablated; degenerate_rate likewise.
    ablated_score: mean refusal score on harmful prompts when ablated. kl: mean KL on harmless prompts when ablated.
    induced_score: mean refusal score on harmless prompts when the raw difference is added at its layer.
    tried: refused harmful prompts the rates are of; harmful, harmless: prompts the means are over. Each `_low` and
    `_high` is the end of a 95% interval over prompts (`core.statistics`).
    """

    layer: int
    norm: float
    flip_rate: float
    degenerate_rate: float
    ablated_score: float
    kl: float
    induced_score: float
    tried: int = 0
    harmful: int = 0
    harmless: int = 0
    flip_low: float = np.nan
    flip_high: float = np.nan
    ablated_score_low: float = np.nan
    ablated_score_high: float = np.nan
    kl_low: float = np.nan
    kl_high: float = np.nan
    induced_score_low: float = np.nan
    induced_score_high: float = np.nan


def search(
    runtime: Runtime,
    harmful: Sequence[Sequence[Prompt]],
    harmless: Sequence[Sequence[Prompt]],
    rule: str | None,
    max_new_tokens: int,
    progress: Progress,
    judge: Judge | None = None,
) -> Direction:
    """Difference of means on the train prompts, chosen on the validation prompts by `rule`, one of RULES; see `pick`.
    Or at the spec's steering layer, with `rule` PUBLISHED. None: that where there is one, else “paper”. judge: of the
    answers; None for this model's rules.

    harmful and harmless are (train, validation). As published, harmful prompts the model does not refuse (score ≤ 0)
    and harmless ones it does are left out first. Raises InputError when too few are left or no layer fits the rule.
    """
    steering = runtime.spec.steering_layer
    if rule is None:
        rule = "paper" if steering is None else PUBLISHED
    if rule not in (*RULES, PUBLISHED):
        raise InputError(f"The rule “{rule!s:.40}” is unknown; choose {' or '.join((*RULES, PUBLISHED))}.")
    if rule == PUBLISHED and (steering is None or not 0 <= steering < runtime.n_layers):
        raise InputError(f"No layer is published for “{runtime.spec.name}”; choose {' or '.join(RULES)}.")
    progress("Filtering prompts", 0.0)
    kept = [filter_by_refusal(runtime, part, True) for part in harmful] + [
        filter_by_refusal(runtime, part, False) for part in harmless
    ]
    if min(map(len, kept)) < 2:
        raise InputError(
            f"Too few prompts are left to find a direction: of {len(harmful[0])}/{len(harmful[1])} harmful prompts "
            f"{len(kept[0])}/{len(kept[1])} are refused, and of {len(harmless[0])}/{len(harmless[1])} harmless "
            f"prompts {len(kept[2])}/{len(kept[3])} are not; give more prompts."
        )
    progress("Averaging the residual stream", 0.1)
    raw = mean_last(runtime, kept[0]) - mean_last(runtime, kept[2])
    directions = [make_direction(raw[layer], layer) for layer in range(runtime.n_layers)]
    tried = directions if rule != PUBLISHED else [one for one in directions if one.layer == steering]
    judge = rules_judge(runtime) if judge is None else judge
    candidates = score(runtime, tried, kept[1], kept[3], max_new_tokens, progress, judge)
    layers = {PUBLISHED: steering} if rule == PUBLISHED else {r: pick(candidates, r, runtime.n_layers) for r in RULES}
    layer = layers[rule]
    if layer is None:
        least = min(c.kl for c in candidates)
        raise InputError(
            f"No layer satisfies the rule “{rule}” (least KL {least:.2f}, limit {KL_LIMIT}); "
            "choose the rule “paper” instead."
        )
    record: dict[str, Any] = {
        "model": runtime.spec.name,
        "model_id": runtime.spec.model_id,
        "revision": runtime.spec.revision,
        "weights": runtime.digests.weights,
        **({} if (thinks := runtime.template.thinking) is None else {"thinking": "on" if thinks else "off"}),
        "rule": rule,
        "chosen": layers,
        "n": {
            k: len(v)
            for k, v in zip(("harmful_train", "harmful_val", "harmless_train", "harmless_val"), kept, strict=True)
        },
        "dropped": sum(map(len, (*harmful, *harmless))) - sum(map(len, kept)),
        "prompts_sha256": hashlib.sha256("\n".join(p.text for part in kept for p in part).encode()).hexdigest()[:16],
        "max_new_tokens": max_new_tokens,
        "judge": judge.name,
        "judge_revision": judge.revision,
        "dtype": str(runtime.dtype).removeprefix("torch."),
        "candidates": [asdict(c) for c in candidates],
    }
    progress("The direction is found", 1.0)
    return make_direction(raw[layer], layer, -1, record)


def filter_by_refusal(runtime: Runtime, prompts: Sequence[Prompt], refused: bool) -> list[Prompt]:
    """Arditi et al.: keep harmful prompts with refusal score > 0 and harmless ones with score < 0."""
    if not prompts:
        return []
    scores = measure(runtime, prompts, [Edits()], [], None).refusal_score[:, 0]
    return [p for p, s in zip(prompts, scores, strict=True) if (s > 0 if refused else s < 0)]


def mean_last(runtime: Runtime, prompts: Sequence[Prompt]) -> torch.Tensor:
    """float64 [layers, d_model]: mean resid_post at the last position."""
    total = torch.zeros(runtime.n_layers, runtime.d_model, dtype=torch.float64)
    every = frozenset(range(runtime.n_layers))
    for batch in run(runtime, runtime.plan([Edits()]), prompts, PassRequest(residuals=every)):
        if not batch.logits.numel():
            continue
        last = batch.current.last
        assert last is not None
        for layer, found in batch.current.residuals.items():
            total[layer] += found[torch.arange(len(found)), last.to(found.device)].cpu().double().sum(0)
    return total / len(prompts)


def score(
    runtime: Runtime,
    directions: Sequence[Direction],
    harmful: Sequence[Prompt],
    harmless: Sequence[Prompt],
    max_new_tokens: int,
    progress: Progress,
    judge: Judge,
) -> list[Candidate]:
    """Score every layer's direction under both rules' criteria."""
    reference, found = reference_logprobs(runtime, harmless), []

    def judged(prompts: Sequence[Prompt], edits: Edits) -> list[Verdict]:
        said = [row[0] for row in answers(runtime, prompts, [edits], max_new_tokens)] if prompts else []
        return verdicts_of(judge, [p.text for p in prompts], said)

    base = judged(harmful, Edits())
    refused = [p for p, v in zip(harmful, base, strict=True) if v == "refused"]
    for done, direction in enumerate(directions):
        progress(f"Trying layer {direction.layer}", 0.15 + 0.85 * done / len(directions))
        off, on = Edits.ablate_direction(direction), Edits.add_direction(direction, direction.norm)
        verdicts = judged(refused, off)
        benign = measure(runtime, harmless, [off, on], [], None, reference=reference)
        assert benign.kl is not None
        flips = rate(verdicts.count("complied"), len(verdicts))
        scores = measure(runtime, harmful, [off], [], None).refusal_score[:, 0]
        ablated = mean(scores)
        kl, induced = mean(benign.kl[:, 0]), mean(benign.refusal_score[:, 1])
        found.append(
            Candidate(
                direction.layer,
                direction.norm,
                flips.hits / max(1, flips.n),
                verdicts.count("degenerate") / max(1, len(verdicts)),
                float(scores.mean()),  # not finite where one of them is not, and `pick` leaves it out
                float(benign.kl[:, 0].mean()),
                float(benign.refusal_score[:, 1].mean()),
                flips.n,
                ablated.n,
                kl.n,
                flips.low,
                flips.high,
                ablated.low,
                ablated.high,
                kl.low,
                kl.high,
                induced.low,
                induced.high,
            )
        )
    return found


def pick(candidates: Sequence[Candidate], rule: str, n_layers: int) -> int | None:
    """The layer a rule chooses; None where no candidate satisfies Arditi's limits. Ties go to the lower KL.

    balanced is ours: of the layers whose flip rate lies within the 95% Wilson interval of the best one (held-out sets
    are small, and the paper's rule would choose by noise), the one with the lowest KL on harmless prompts.
    """
    best = min(candidates, key=lambda c: (-c.flip_rate, c.kl))
    if rule == "paper":
        return best.layer
    if rule == "balanced":
        flips = round(best.flip_rate * best.tried)
        low = rate(flips, best.tried).low if best.tried else best.flip_rate
        return min((c for c in candidates if c.flip_rate >= low), key=lambda c: c.kl).layer
    fit = [
        c
        for c in candidates
        if c.layer < int(DEPTH_LIMIT * n_layers)
        and c.kl <= KL_LIMIT
        and c.induced_score >= INDUCE_LIMIT
        and np.isfinite(c.ablated_score)
    ]
    return min(fit, key=lambda c: c.ablated_score).layer if fit else None
