"""One prompt under several edit sets: its residual stream at every SAE layer the edits reach, in one pass.

Knows: passes, and whole dictionaries a block at a time. Does not know: what counts as waking. The first set is the one
the others are compared with. Layers at or below the lowest edit are the same for all sets, so they are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.edits.edits import Edits, Feature
from core.errors import InputError
from core.forward.batches import read_below_head, run
from core.forward.passes import Pass, PassRequest
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.measures.scores import float64, refusal_probability
from core.prompts.template import Prompt
from core.saes.columns import preactivations


@dataclass(frozen=True)
class PromptReading:
    """What one prompt's pass found under E edit sets. Lives for one call; never handed out.

    residuals: layer → float32 [E, positions, d_model] on the device, before that layer's own edit. p: float64 [E], NaN
    where the pass stopped below the head. watched: float32 [features, positions], activations under the first set.
    """

    prompt: Prompt
    residuals: Mapping[int, torch.Tensor]
    p: np.ndarray
    watched: np.ndarray


def read_prompt(
    runtime: Runtime, prompt: Prompt, sets: Sequence[Edits], watch: Sequence[Feature] = ()
) -> PromptReading:
    """Every set in one forward, or as few as the token budget allows. Raises InputError."""
    plan = runtime.plan(sets, watch)
    reached = _reached(runtime, plan)
    p, passes = np.full(len(sets), np.nan), []
    for batch in run(runtime, plan, [prompt], PassRequest(residuals=reached)):
        p[batch.edits] = refusal_probability(runtime, float64(batch.logits).log_softmax(-1))
        passes.append(batch.current)
    return _reading(prompt, plan, passes, p, len(watch))


def read_bos(
    runtime: Runtime, bos: Prompt, sets: Sequence[Edits], watch: Sequence[Feature] = (), *, every_layer: bool = False
) -> PromptReading:
    """The BOS token alone, as far as the last SAE layer: position 0 sees only itself, whatever the prompt.

    bos: a prompt of that one token. every_layer: read the layers that the edits do not reach too.
    """
    plan = runtime.plan(sets, watch)
    reached = _reached(runtime, plan)
    if every_layer:
        reached = frozenset(runtime.dictionaries)
    request = PassRequest(residuals=reached, stop_after=max(runtime.dictionaries))
    current = read_below_head(runtime, plan, bos, request)
    return _reading(bos, plan, [current], np.full(len(sets), np.nan), len(watch))


def _reached(runtime: Runtime, plan: Plan) -> frozenset[int]:
    """The SAE layers at which two sets can differ before the layer's own edit."""
    if not runtime.dictionaries:
        raise InputError(
            f"“{runtime.spec.name}” has no SAEs, so it cannot show which features wake. Use a model with SAEs."
        )
    return frozenset(layer for layer in runtime.dictionaries if layer > plan.lowest)


def _reading(prompt: Prompt, plan: Plan, passes: Sequence[Pass], p: np.ndarray, features: int) -> PromptReading:
    layers = sorted(passes[0].residuals)
    watched = np.zeros((features, len(prompt)), dtype=np.float32)
    for layer, found in passes[0].watched.items():
        watched[list(plan.layers[layer].watch_slots)] = found[0].T.cpu().numpy()
    return PromptReading(prompt, {n: torch.cat([one.residuals[n] for one in passes]) for n in layers}, p, watched)


def preactivation_blocks(
    runtime: Runtime, layer: int, x: torch.Tensor
) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Blocks of a dictionary over x float32 [sets, positions, d_model], each read once at most.

    (first index, pre-activations [sets, positions, block], threshold [block]): a feature fires where its
    pre-activation is above the threshold, which is never below 0 (JumpReLU is ReLU with a further threshold).
    """
    bias = runtime.input_bias(layer)
    for start, columns in runtime.encoders(layer):
        with runtime.lock, torch.inference_mode():
            pre = preactivations(x, columns, bias)
        yield start, pre, columns.threshold.clamp_min(0.0)
