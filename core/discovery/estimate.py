"""How much work a run will be, before it is begun: tokens to put through the model, and how long that takes here.

Knows: settings, counts of prompts, lengths in tokens, a speed. Does not know: what will be found; where that decides
(how large K must be), it says between what and what.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.edits.edits import Edits
from core.engine import Engine
from core.forward.batches import shared_prefix
from core.forward.token_budget import at_most

#: Prompts looked at for their length.
_SAMPLE = 64
#: Tokens of a public request and of a piece of public prose, about.
_REQUEST, _PROSE = 15, 130


@dataclass(frozen=True)
class Estimate:
    """Tokens through the model at least and at most, by stage; tokens a second as measured."""

    stages: tuple[tuple[str, float, float], ...]
    tokens_per_second: float

    @property
    def seconds(self) -> tuple[float, float]:
        """At least (every prompt flips at the first K) and at most (none flips before the last)."""
        low, high = sum(s[1] for s in self.stages), sum(s[2] for s in self.stages)
        return low / self.tokens_per_second, high / self.tokens_per_second


def estimate(engine: Engine, inputs: Inputs, settings: Settings, tokens_per_second: float) -> Estimate:
    """tokens_per_second: from `speed`. Raises InputError for a prompt the model cannot take."""
    texts = [t for t in (*inputs.harmful[:_SAMPLE], *inputs.benign[:_SAMPLE]) if t.strip()]
    prompts = [engine.prompt(text) for text in texts]
    prefix = shared_prefix(prompts) if len(prompts) > 1 else 0
    own_tokens = sum(len(p) - prefix for p in prompts) / len(prompts)
    layers = [n for n in engine.spec.layers if n not in settings.excluded_layers]
    referenced = sum(one.prompt in inputs.harmful for one in inputs.references)
    stages = _stages(len(inputs.harmful), len(inputs.benign), own_tokens, prefix, len(layers), settings)
    stages.append(_recovery(referenced, prefix + own_tokens, settings))
    return Estimate(tuple(stages), tokens_per_second)


def speed(engine: Engine, texts: Sequence[str], tokens_per_forward: int) -> float:
    """Tokens a second of forward passes as a run makes them; takes about a second. Raises InputError."""
    several = [Edits()] * max(1, tokens_per_forward // sum(len(engine.prompt(text)) for text in texts))
    tokens = len(several) * sum(len(engine.prompt(text)) for text in texts)
    with at_most(tokens_per_forward):
        engine.measure(texts, several)  # the first pass of a shape is slower
        begun = time.perf_counter()
        engine.measure(texts, several)
    return tokens / max(time.perf_counter() - begun, 1e-6)


def _stages(
    harmful: int, benign: int, own_tokens: float, prefix: int, layers: int, s: Settings
) -> list[tuple[str, float, float]]:
    answered = own_tokens + s.tokens  # tokens of a prompt in a batch with a shared prefix, and of its answer
    alone = prefix + answered
    looked_at = 2 * min(harmful, s.length_prompts) * (own_tokens + max(s.lengths))
    found: list[tuple[str, float, float]] = [
        ("screening", (harmful + benign) * answered, (harmful + benign) * answered),
        ("stage 1", harmful * answered, harmful * answered * len(s.k_steps)),
        ("direction", harmful * answered, harmful * answered),
        ("answer length", looked_at, looked_at),
        ("least tokens", harmful * (2 * alone), harmful * alone * (1 + len(s.least_tokens))),
    ]
    if max(s.stages) >= 2:
        sets = [len(s.seeds) * (layers * k // s.block_size + 1) for k in (s.k_steps[0], s.k_steps[-1])]
        verified = [harmful * alone * n for n in (1, len(s.thresholds))]
        low, high = (harmful * n * own_tokens + v for n, v in zip(sets, verified, strict=True))
        public = s.public_texts * (prefix + _REQUEST + _PROSE)
        own = min(s.cost_texts, benign) * (own_tokens + prefix + 40)
        cost = (2 + min(s.cost_sets, harmful)) * (own + public) if s.cost_sets else 0.0
        beside = [k for k in (s.k_steps[0], *s.k_beside) if s.control_draws or s.k_beside]
        others = sum(len(s.seeds) * (layers * k // s.block_size + 1) * own_tokens for k in beside)
        controls = harmful * (1 + 2 * (s.control_draws + 1)) * alone if s.control_draws else 0.0
        found += [
            ("stage 2", low, high),
            ("inert and random", harmful * 2 * alone, harmful * 5 * alone),
            ("fixed sets", harmful * 2 * len(beside) * alone, harmful * (others + 6 * len(beside) * alone)),
            ("controls", controls / 2, controls),
            ("cross-entropy", cost, cost),
        ]
    if max(s.stages) >= 3:
        sweeps = harmful * (len(s.interaction_steps) * alone + 2 * len(s.probe_steps) * answered)
        found.append(("stage 3", sweeps, sweeps + harmful * 3 * alone))
    return found


def _recovery(prompts: int, tokens: float, s: Settings) -> tuple[str, float, float]:
    """Every set that was ablated on a prompt once more, with the reference answer behind it."""
    low = 2 + len(s.least_tokens)
    high = low + len(s.k_steps) - 1
    if max(s.stages) >= 2:
        low, high = low + len(s.thresholds) + 4, high + len(s.thresholds) + 4
    if max(s.stages) >= 3:
        sweeps = len(s.interaction_steps) + 1 + 2 * len(s.probe_steps)
        low, high = low + sweeps, high + sweeps
    each = prompts * (tokens + s.tokens)
    return ("recovery", each * (low + 1), each * (high + 1))
