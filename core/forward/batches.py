"""Many prompts × many edit sets as rows of few forward passes.

Knows: plans, passes, prompts as rows, key-value caches, the token budget. Does not know: what is computed from a pass.
Never twice: the layers below the lowest edit run once for all edit sets of a prompt, where these are many; and the
template prefix that several prompts share runs once per edit set, and its keys and values are reused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from core.edits.edits import POSITIONS
from core.forward.key_values import select
from core.forward.passes import NOTHING_MORE, Pass, PassRequest
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.template import Prompt

#: Shorter shared prefixes are not worth a pass of their own.
SHORTEST_PREFIX = 4
#: With as many tokens in one prompt's rows, what they share below the lowest edit is worth more than larger passes.
TOKENS_ALONE = 256
#: Logits at many positions are wide: so many of them at once at most (a 256k vocabulary in float32 takes 0.5 GB).
MOST_LOGITS = 512


@dataclass(frozen=True)
class Batch:
    """One forward: which prompt and edit set each row is, what the pass found, and the last-position logits.

    Where the head was asked for at spans of positions, logits are [rows, longest span, vocabulary], right-padded.
    """

    prompts: list[int]
    edits: list[int]
    current: Pass
    logits: torch.Tensor  # float32 [rows, vocabulary]
    start: int  # position of this forward's first token in the prompt


def run(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    request: PassRequest = NOTHING_MORE,
    heads: Sequence[tuple[int, int]] | None = None,
) -> Iterator[Batch]:
    """Every (prompt, edit set) as rows of as few forward passes as the token budget allows.

    heads: for each prompt, the span of positions at which the head is to run; None for the last position alone.
    """
    sets = list(range(len(plan.edits)))
    widest = 1 if heads is None else max(end - first for first, end in heads)
    most_rows = tokens_per_forward() if heads is None else max(1, MOST_LOGITS // widest)
    if len(prompts) == 1:
        yield from _one_prompt(runtime, plan, prompts, request, heads, most_rows)
        return
    if runtime.alone:
        for index in range(len(prompts)):
            spans = None if heads is None else [heads[index]]
            for batch in _one_prompt(runtime, plan, [prompts[index]], request, spans, most_rows):
                yield replace(batch, prompts=[index] * len(batch.prompts))
        return
    start = shared_prefix(prompts)
    if heads is not None and start > min(first for first, _ in heads):
        start = 0  # a prefix's pass has no logits of its own
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    most = max(1, tokens_per_forward() // max(1, start))  # edit sets whose prefixes are held at a time
    for first in range(0, len(sets), most):
        some, past = sets[first : first + most], None
        alone = len(some) * (len(prompts[order[0]]) - start) >= TOKENS_ALONE
        expand_at = parting_layer(plan) if alone else None
        if start:
            current, past = prefix_pass(runtime, plan, prompts[0], some, start, request, expand_at)
            for index in range(len(prompts)):  # what it found holds for every prompt; it has no logits of its own
                yield Batch([index] * len(some), some, current, torch.empty(len(some), 0), 0)
        rows = [(p, e) for p in order for e in some]
        while rows:
            longest = rows[-1][0]
            width = len(prompts[longest]) - start  # the longest left, so that every batch is within the budget
            size = max(1, min(most_rows, tokens_per_forward() // width))
            if expand_at is not None:
                size = min(size, sum(p == longest for p, _ in rows))
            chunk, rows = rows[-size:], rows[:-size]
            cache = None if past is None else select(past, [e - first for _, e in chunk], expand_at is not None)
            yield _forward(runtime, plan, prompts, chunk, request, start, cache, expand_at, heads)


def _one_prompt(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    request: PassRequest,
    heads: Sequence[tuple[int, int]] | None,
    most_rows: int,
) -> Iterator[Batch]:
    size = max(1, min(most_rows, tokens_per_forward() // len(prompts[0])))
    for first in range(0, len(plan.edits), size):
        rows = [(0, e) for e in range(len(plan.edits))[first : first + size]]
        yield _forward(runtime, plan, prompts, rows, request, expand_at=parting_layer(plan), heads=heads)


def parting_layer(plan: Plan) -> int | None:
    """The layer after which rows of one prompt part; None where they differ from the first layer's input on."""
    return plan.lowest if plan.lowest >= 0 else None


def _forward(
    runtime: Runtime,
    plan: Plan,
    prompts: Sequence[Prompt],
    rows: Sequence[tuple[int, int]],
    request: PassRequest,
    start: int = 0,
    cache: Any = None,
    expand_at: int | None = None,
    heads: Sequence[tuple[int, int]] | None = None,
) -> Batch:
    """rows: (prompt, edit set) of each row. start: how many leading tokens are in the cache already."""
    which, held = [p for p, _ in rows], [e for _, e in rows]
    chosen = [prompts[p] for p in which]
    width = max(map(len, chosen)) - start
    last = torch.tensor([len(p) - start - 1 for p in chosen], device=runtime.device)
    sets = torch.tensor(held, device=runtime.device)
    where = None if heads is None else _places([heads[p] for p in which], start, runtime.device)
    current = Pass(plan, sets, runtime.groups(plan, chosen, start, width), last, request, expand_at, where)
    ids = runtime.ids(chosen if expand_at is None else chosen[:1], start, width)
    logits = runtime.forward(current, ids, past=cache, use_cache=cache is not None).logits.float()
    return Batch(which, held, current, logits[:, 0] if heads is None else logits, start)


def _places(spans: Sequence[tuple[int, int]], start: int, device: torch.device) -> torch.Tensor:
    """int64 [rows, longest span]: the positions of each span in a forward that begins at `start`, its last repeated."""
    longest = max(end - first for first, end in spans)
    rows = [[min(first + step, end - 1) - start for step in range(longest)] for first, end in spans]
    return torch.tensor(rows, device=device)


def prefix_pass(
    runtime: Runtime,
    plan: Plan,
    prompt: Prompt,
    sets: list[int],
    start: int,
    request: PassRequest = NOTHING_MORE,
    expand_at: int | None = None,
) -> tuple[Pass, Any]:
    """The first `start` tokens of `prompt` under each of `sets`: the pass, and its key-value cache with a row each, up
    to the layer `expand_at` with one for all."""
    rows, same = torch.tensor(sets, device=runtime.device), [prompt] * len(sets)
    groups = runtime.groups(plan, same, 0, start)
    current = Pass(plan, rows, groups, torch.zeros_like(rows), request, expand_at)
    ids = runtime.ids(same if expand_at is None else same[:1], 0, start)
    past = runtime.forward(current, ids, use_cache=True).past_key_values
    current.last = None  # no prompt ends here; the head ran on one position only because it must run
    return current, past


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


def logits_everywhere(runtime: Runtime, plan: Plan, prompts: Sequence[Prompt]) -> tuple[torch.Tensor, torch.Tensor]:
    """Each prompt under the plan's first set in one pass whose head runs at every position.

    Returns ids, int64 [prompts, positions], right-padded, and logits [prompts, positions, vocabulary] in the model's
    dtype.
    """
    width = max(map(len, prompts))
    rows = torch.zeros(len(prompts), dtype=torch.int64, device=runtime.device)
    ids = runtime.ids(prompts, 0, width)
    return ids, runtime.forward(Pass(plan, rows, runtime.groups(plan, prompts, 0, width)), ids).logits


def read_below_head(runtime: Runtime, plan: Plan, prompt: Prompt, request: PassRequest) -> Pass:
    """One prompt under every set of the plan, in one pass that ends after the layer `request.stop_after`."""
    sets, expand_at = len(plan.edits), parting_layer(plan)
    rows = torch.arange(sets, device=runtime.device)
    groups = runtime.groups(plan, [prompt] * sets, 0, len(prompt))
    current = Pass(plan, rows, groups, request=request, expand_at=expand_at)
    runtime.read(current, runtime.ids([prompt] * (sets if expand_at is None else 1), 0, len(prompt)))
    return current


def read_tokens(runtime: Runtime, plan: Plan, tokens: Sequence[int], request: PassRequest) -> Pass:
    """Plain token ids under the plan's first set, each token in “all” alone; ends as `read_below_head`."""
    ids = torch.tensor([list(tokens)], device=runtime.device)
    groups = plan.group_of(np.full((1, len(tokens)), POSITIONS["all"])).to(runtime.device)
    current = Pass(plan, torch.zeros(1, dtype=torch.int64, device=runtime.device), groups, request=request)
    runtime.read(current, ids)
    return current
