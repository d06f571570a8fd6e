"""Many prompts × many edit sets in few forward passes, and the numbers read from them.

Knows: plans, passes, batches. Does not know: how a model was loaded, or pages.
Never twice: with one prompt, the layers below the lowest edit run once for all edit sets; with several, the template
prefix they share runs once per edit set and its keys and values are reused. The head runs on last positions only.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.forward.hooks import Pass
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.template import Prompt

#: Shorter shared prefixes are not worth a pass of their own.
SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Measurement:
    """What `measure` returns: plain arrays, no reference to the model. P prompts, E edit sets, W watched features.

    p_refusal: float64 [P, E], summed probability of the refusal tokens at the last prompt position.
    refusal_score: float64 [P, E], log(p + 1e-8) − log(1 − p + 1e-8) (Arditi et al. 2024).
    cosine: float32 [P, E, layers], resid_post at the last position against the direction, after the layer's own edit;
    NaN where the model has no direction yet. activations: float32 [P, E, W, positions], read before that layer's own
    edit, NaN where a prompt has no such position. tokens: per prompt, its token pieces. kl: float64 [P, E], KL
    divergence in nats of the edited next-token distribution from the unedited one at the last position, None unless
    asked for.
    token_cosine: float32 [P, E, layers, positions], None unless asked for.
    """

    p_refusal: np.ndarray
    refusal_score: np.ndarray
    cosine: np.ndarray
    activations: np.ndarray
    tokens: tuple[tuple[str, ...], ...]
    kl: np.ndarray | None = None
    token_cosine: np.ndarray | None = None


def float64(x: torch.Tensor) -> torch.Tensor:
    """In double precision where the tensor is, or on the CPU where its device has none (Apple's GPUs)."""
    return x.cpu().double() if x.device.type == "mps" else x.double()


def refusal_probability(runtime: Runtime, logp: torch.Tensor) -> np.ndarray:
    """float64 [rows]: summed probability of the refusal tokens, from log-probabilities [rows, vocabulary]."""
    return logp[:, list(runtime.spec.refusal_tokens)].exp().sum(-1).cpu().numpy()


def refusal_score(p: np.ndarray) -> np.ndarray:
    """Log-odds of float64 probabilities, kept finite by 1e-8 on both sides (Arditi et al. 2024, their code)."""
    return np.log(p + 1e-8) - np.log(1 - p + 1e-8)


@dataclass(frozen=True)
class _Batch:
    """One forward: which prompt and edit set each row is, what the pass found, and the last-position logits."""

    prompts: list[int]
    edits: list[int]
    current: Pass
    logits: torch.Tensor  # float32 [rows, vocabulary]
    start: int  # position of this forward's first token in the prompt


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
    """Measure every edit set on every prompt. reference: log-probabilities [P, vocabulary] to take `kl` against."""
    plan = runtime.plan(edits, watch)
    shape, longest = (len(prompts), len(edits)), max(map(len, prompts))
    p_refusal = np.zeros(shape)
    cosine = np.full((*shape, runtime.n_layers), np.nan, dtype=np.float32)
    token_cosine = np.full((*shape, runtime.n_layers, longest), np.nan, dtype=np.float32) if every_token else None
    activations = np.full((*shape, len(watch), longest), np.nan, dtype=np.float32)
    kl = np.zeros(shape) if reference is not None else None
    unit = None if direction is None else direction.vector.to(runtime.device)
    for batch in run(runtime, plan, prompts, unit, every_token):
        if batch.logits.numel():
            logp = float64(batch.logits).log_softmax(-1)
            p_refusal[batch.prompts, batch.edits] = refusal_probability(runtime, logp)
            if reference is not None and kl is not None:
                base = reference[batch.prompts].to(logp)
                kl[batch.prompts, batch.edits] = (base.exp() * (base - logp)).sum(-1).cpu().numpy()
        _read_pass(batch, prompts, plan, cosine, token_cosine, activations)
    return Measurement(
        p_refusal, refusal_score(p_refusal), cosine, activations, tuple(p.pieces for p in prompts), kl, token_cosine
    )


def reference_logprobs(runtime: Runtime, prompts: Sequence[Prompt]) -> torch.Tensor:
    """float32 [P, vocabulary] on the CPU: the unedited model's log-probabilities at the last positions."""
    plan, found = runtime.plan([Edits()]), [torch.empty(0)] * len(prompts)
    for batch in run(runtime, plan, prompts, None, False):
        for row, prompt in enumerate(batch.prompts):
            found[prompt] = batch.logits[row].log_softmax(-1).cpu()
    return torch.stack(found)


def run(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    unit: torch.Tensor | None,
    every_token: bool,
    keep: frozenset[int] = frozenset(),
) -> Iterator[_Batch]:
    """Every (prompt, edit set) as rows of as few forward passes as the token budget allows."""
    sets = list(range(len(plan.edits)))
    if len(prompts) == 1:
        yield from _one_prompt(runtime, plan, prompts, sets, unit, every_token, keep)
        return
    start = shared_prefix(prompts)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    most = max(1, tokens_per_forward() // max(1, start))  # edit sets whose prefixes are held at a time
    for first in range(0, len(sets), most):
        some, past = sets[first : first + most], None
        if start:
            current, past = prefix_pass(runtime, plan, prompts[0], some, start, unit, every_token, keep)
            for index in range(len(prompts)):  # what it found holds for every prompt; it has no logits of its own
                yield _Batch([index] * len(some), some, current, torch.empty(len(some), 0), 0)
        rows = [(p, e) for p in order for e in some]
        while rows:
            width = len(prompts[rows[-1][0]]) - start  # the longest left, so that every batch is within the budget
            size = max(1, tokens_per_forward() // width)
            chunk, rows = rows[-size:], rows[:-size]
            which, held = [p for p, _ in chunk], [e for _, e in chunk]
            cache = None if past is None else select(past, [e - first for e in held])
            yield _forward(runtime, plan, prompts, which, held, start, cache, unit, every_token, None, keep)


def _one_prompt(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    sets: list[int],
    unit: torch.Tensor | None,
    every_token: bool,
    keep: frozenset[int],
) -> Iterator[_Batch]:
    share = plan.lowest >= 0
    size = max(1, tokens_per_forward() // len(prompts[0]))
    for first in range(0, len(sets), size):
        held = sets[first : first + size]
        expand_at = plan.lowest if share else None
        yield _forward(runtime, plan, prompts, [0] * len(held), held, 0, None, unit, every_token, expand_at, keep)


def prefix_pass(
    runtime: Runtime,
    plan: Plan,
    prompt: Prompt,
    sets: list[int],
    start: int,
    unit: torch.Tensor | None = None,
    every_token: bool = False,
    keep: frozenset[int] = frozenset(),
) -> tuple[Pass, Any]:
    """The first `start` tokens of `prompt` under each of `sets`: the pass, and its key-value cache with a row each."""
    rows, same = torch.tensor(sets, device=runtime.device), [prompt] * len(sets)
    groups = runtime.groups(plan, same, 0, start)
    current = Pass(plan, rows, groups, torch.zeros_like(rows), unit, every_token, None, keep)
    past = runtime.forward(current, runtime.ids(same, 0, start), use_cache=True).past_key_values
    current.last = None  # no prompt ends here; the head ran on one position only because it must run
    return current, past


def select(past: Any, rows: list[int]) -> Any:
    """A key-value cache of its own with the named rows of `past`, in that order; a row may be named many times."""
    cache = copy.deepcopy(past)
    cache.batch_select_indices(torch.tensor(rows))
    return cache


def _forward(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    which: list[int],
    held: list[int],
    start: int,
    cache: Any,
    unit: torch.Tensor | None,
    every_token: bool,
    expand_at: int | None,
    keep: frozenset[int],
) -> _Batch:
    chosen = [prompts[p] for p in which]
    width = max(map(len, chosen)) - start
    last = torch.tensor([len(p) - start - 1 for p in chosen], device=runtime.device)
    rows = torch.tensor(held, device=runtime.device)
    current = Pass(plan, rows, runtime.groups(plan, chosen, start, width), last, unit, every_token, expand_at, keep)
    ids = runtime.ids(chosen if expand_at is None else chosen[:1], start, width)
    logits = runtime.forward(current, ids, past=cache, use_cache=cache is not None).logits[:, 0].float()
    return _Batch(which, held, current, logits, start)


def shared_prefix(prompts: Sequence[Prompt]) -> int:
    """How many leading tokens all prompts share, leaving each at least one of its own; 0 when too few."""
    shortest = min(map(len, prompts)) - 1
    first = prompts[0].ids
    shared = 0
    while shared < shortest and all(p.ids[shared] == first[shared] for p in prompts):
        shared += 1
    # Edits tell positions apart, so the prefix must also stand in the same spans.
    while shared and any((p.position_bits[:shared] != prompts[0].position_bits[:shared]).any() for p in prompts):
        shared -= 1
    return shared if shared >= SHORTEST_PREFIX else 0


def _read_pass(
    batch: _Batch,
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
        if current.every_token:
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


def _place(out: np.ndarray, batch: _Batch, inner: int, values: torch.Tensor, lengths: list[int]) -> None:
    """values [rows, positions] into out [P, E, inner, positions], padding left out."""
    for row, (prompt, edit) in enumerate(zip(batch.prompts, batch.edits, strict=True)):
        length = min(lengths[row], values.shape[1])
        out[prompt, edit, inner, batch.start : batch.start + length] = values[row, :length].numpy()
