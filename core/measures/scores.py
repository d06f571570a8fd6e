"""The numbers read from passes over many prompts × many edit sets: probabilities, scores, cosines, activations, KL.

Knows: batches and what their passes found. Does not know: how rows become passes (`core.forward.batches`), pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.errors import InputError
from core.forward.batches import Batch, run
from core.forward.passes import PassRequest
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.prompts.template import Prompt

#: Rows whose logits are taken as float64 at a time: a 256k vocabulary takes 0.1 GB, and a batch can have 1,000 rows.
_ROWS = 64


@dataclass(frozen=True)
class Measurement:
    """What `measure` returns: plain arrays, no reference to the model. P prompts, E edit sets, W watched features.

    p_refusal: float64 [P, E], summed probability of the refusal tokens at the last prompt position.
    refusal_score: float64 [P, E], log(p + 1e-8) − log(1 − p + 1e-8) (Arditi et al. 2024).
    cosine: float32 [P, E, layers], resid_post at the last position against the direction, after the layer's own edit;
    NaN where the model has no direction yet. activations: float32 [P, E, W, positions], read before that layer's own
    edit, NaN where a prompt has no such position. tokens: per prompt, its token pieces. kl: float64 [P, E],
    KL(unedited ‖ edited) of the next-token distributions at the last position, in nats, exactly 0 of an empty edit set;
    None unless asked for.
    token_cosine: float32 [P, E, layers, positions], None unless asked for.
    """

    p_refusal: np.ndarray
    refusal_score: np.ndarray
    cosine: np.ndarray
    activations: np.ndarray
    tokens: tuple[tuple[str, ...], ...]
    kl: np.ndarray | None = None
    token_cosine: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Unedited:
    """The unedited model on some prompts. logprobs: float32 [P, vocabulary] on the CPU, log-probabilities at the last
    positions. prompts: the token ids of each."""

    logprobs: torch.Tensor
    prompts: tuple[tuple[int, ...], ...]


def float64(x: torch.Tensor) -> torch.Tensor:
    """In double precision where the tensor is, or on the CPU where its device has none (Apple's GPUs)."""
    return x.cpu().double() if x.device.type == "mps" else x.double()


def refusal_probability(runtime: Runtime, logp: torch.Tensor) -> np.ndarray:
    """float64 [rows]: summed probability of the refusal tokens, from log-probabilities [rows, vocabulary]."""
    return logp[:, list(runtime.spec.refusal_tokens)].exp().sum(-1).cpu().numpy()


def refusal_score(p: np.ndarray) -> np.ndarray:
    """Log-odds of float64 probabilities, kept finite by 1e-8 on both sides (Arditi et al. 2024, their code)."""
    return np.log(p + 1e-8) - np.log(1 - p + 1e-8)


def measure(
    runtime: Runtime,
    prompts: Sequence[Prompt],
    edits: Sequence[Edits],
    watch: Sequence[Feature],
    direction: Direction | None,
    *,
    reference: torch.Tensor | None = None,
    every_token: bool = False,
) -> Measurement:
    """Measure every edit set on every prompt. reference: the unedited model's log-probabilities [P, vocabulary], which
    `kl` is taken against."""
    plan = runtime.plan(edits, watch)
    shape, longest = (len(prompts), len(edits)), max(map(len, prompts))
    p_refusal = np.zeros(shape)
    cosine = np.full((*shape, runtime.n_layers), np.nan, dtype=np.float32)
    token_cosine = np.full((*shape, runtime.n_layers, longest), np.nan, dtype=np.float32) if every_token else None
    activations = np.full((*shape, len(watch), longest), np.nan, dtype=np.float32)
    kl = np.zeros(shape) if reference is not None else None
    unit = None if direction is None else direction.vector.to(runtime.device)
    for batch in run(runtime, plan, prompts, PassRequest(unit, every_token)):
        for first in range(0, len(batch.logits) if batch.logits.numel() else 0, _ROWS):
            part = slice(first, first + _ROWS)
            places = batch.prompts[part], batch.edits[part]
            logp = float64(batch.logits[part]).log_softmax(-1)
            p_refusal[places] = refusal_probability(runtime, logp)
            if reference is not None and kl is not None:
                kl[places] = divergences(reference[places[0]].to(logp.device), logp.float()).cpu().numpy()
        _read_pass(batch, prompts, plan, cosine, token_cosine, activations)
    if kl is not None:
        # Of the unedited model from itself, 0 by definition, whatever another batch's last digits make it.
        kl[:, [column for column, one in enumerate(edits) if not one]] = 0.0
    return Measurement(
        p_refusal, refusal_score(p_refusal), cosine, activations, tuple(p.pieces for p in prompts), kl, token_cosine
    )


def divergences(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """float64 [rows]: KL(first ‖ second) in nats, of log-probabilities float32 [rows, vocabulary].

    Logarithms of float32 do not add up to quite 1, which alone would be 1e-5 nats, of either sign. So each token adds
    p·(log p − log q) − p + q: never negative, 0 where both are equal to the bit, and the same sum where they add up.
    """
    log_p, log_q = float64(first), float64(second)
    p = log_p.exp()
    products = torch.where(p > 0, p * (log_p - log_q), 0.0)
    return (products - p + log_q.exp()).clamp(min=0).sum(-1)


def reference_logprobs(runtime: Runtime, prompts: Sequence[Prompt]) -> torch.Tensor:
    """float32 [P, vocabulary] on the CPU: the unedited model's log-probabilities at the last positions."""
    plan, found = runtime.plan([Edits()]), [torch.empty(0)] * len(prompts)
    for batch in run(runtime, plan, prompts):
        for row, prompt in enumerate(batch.prompts):
            found[prompt] = float64(batch.logits[row]).log_softmax(-1).float().cpu()
    return torch.stack(found)


def unedited(runtime: Runtime, prompts: Sequence[Prompt]) -> Unedited:
    """What `divergence` compares with, to be kept for several calls."""
    return Unedited(reference_logprobs(runtime, prompts), tuple(prompt.ids for prompt in prompts))


def divergence(
    runtime: Runtime, prompts: Sequence[Prompt], edits: Sequence[Edits], reference: Unedited | None = None
) -> np.ndarray:
    """float64 [P, E]: KL at the last position from the unedited model, in nats. reference: what `unedited` gave for
    these prompts, in this order. Raises InputError where it was for others."""
    base = unedited(runtime, prompts) if reference is None else reference
    if not isinstance(base, Unedited):
        raise InputError(f"The reference is {type(base).__name__}, not what engine.reference(prompts) gives.")
    if base.prompts != tuple(prompt.ids for prompt in prompts):
        raise InputError(
            f"The reference is of {len(base.prompts)} other prompts, or of these in another order. Make it with "
            f"engine.reference for the {len(prompts)} prompts that are given."
        )
    found = measure(runtime, prompts, edits, [], None, reference=base.logprobs).kl
    assert found is not None
    return found


def _read_pass(
    batch: Batch,
    prompts: Sequence[Prompt],
    plan: Plan,
    cosine: np.ndarray,
    token_cosine: np.ndarray | None,
    activations: np.ndarray,
) -> None:
    """Copy what one pass found into the result arrays."""
    current, rows = batch.current, len(batch.edits)
    lengths = [len(prompts[p]) - batch.start for p in batch.prompts]
    for layer, found in current.cosine.items():
        values = _rows(found, rows)
        if current.request.every_token:
            if token_cosine is not None:
                _place(token_cosine, batch, layer, values, lengths)
            if current.last is not None:
                picked = values[torch.arange(rows), current.last.cpu()]
                cosine[batch.prompts, batch.edits, layer] = picked.numpy()
        elif current.last is not None:
            cosine[batch.prompts, batch.edits, layer] = values.numpy()
    for layer, found in current.watched.items():
        values = _rows(found, rows)
        for slot, column in zip(plan.layers[layer].watch_slots, values.unbind(-1), strict=True):
            _place(activations, batch, slot, column, lengths)


def _rows(found: torch.Tensor, rows: int) -> torch.Tensor:
    """On the CPU, with one row per edit set even where the layers were shared."""
    return found.expand(rows, *found.shape[1:]).cpu()


def _place(out: np.ndarray, batch: Batch, inner: int, values: torch.Tensor, lengths: list[int]) -> None:
    """values [rows, positions] into out [P, E, inner, positions], padding left out."""
    for row, (prompt, edit) in enumerate(zip(batch.prompts, batch.edits, strict=True)):
        length = min(lengths[row], values.shape[1])
        out[prompt, edit, inner, batch.start : batch.start + length] = values[row, :length].numpy()
