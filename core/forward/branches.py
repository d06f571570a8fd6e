"""Questions that begin alike and part late, such as several about one answer, on the unedited model.

Knows: families of prompts, key-value caches. Does not know: edit sets, or what the questions are about.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from core.edits.edits import Edits
from core.forward.batches import prefix_pass, run, shared_prefix
from core.forward.key_values import select
from core.forward.passes import Pass
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.template import Prompt


def unedited_branches(
    runtime: Runtime, families: Sequence[Sequence[Prompt]]
) -> Iterator[tuple[list[int], int, torch.Tensor]]:
    """The unedited model on families of prompts, as many in each, whose members begin alike and part late.

    Yields (families, which of their members, last-position logits [families, vocabulary], float32). What all prompts
    share runs once, what a family shares once per family, and the rest once per prompt.
    """
    plan, budget = runtime.plan([Edits()]), tokens_per_forward()
    if runtime.alone:
        for number, family in enumerate(families):
            for batch in run(runtime, plan, family):
                yield [number], batch.prompts[0], batch.logits
        return
    stems = [shared_prefix(family) for family in families]
    every = [prompt for family in families for prompt in family]
    start = max(0, min(shared_prefix(every), min(stems) - 1)) if len(families) > 1 else 0
    past = prefix_pass(runtime, plan, families[0][0], [0], start)[1] if start else None
    rows = sorted(range(len(families)), key=lambda i: stems[i])
    while rows:
        deepest = stems[rows[-1]]
        size = max(1, budget // (deepest - start))
        if runtime.window is not None and max(map(len, families[rows[-1]])) > runtime.window:
            size = 1  # a sliding window counts the holes that padding leaves
        chunk, rows = rows[-size:], rows[:-size]
        held = _stems(runtime, plan, [families[i][0] for i in chunk], [stems[i] for i in chunk], start, past)
        for member in range(len(families[0])):
            some = [families[i][member] for i in chunk]
            yield chunk, member, _branch(runtime, plan, some, [stems[i] for i in chunk], held)


def _stems(runtime: Runtime, plan: Plan, prompts: Sequence[Prompt], stems: Sequence[int], start: int, past: Any) -> Any:
    """A key-value cache of the first `stems` tokens of each prompt. past: a cache of the first `start`, one row."""
    rows = torch.zeros(len(prompts), dtype=torch.int64, device=runtime.device)
    ids = runtime.ids(prompts, start, max(stems) - start)
    current = Pass(plan, rows, torch.zeros_like(ids), torch.zeros_like(rows))
    before = None if past is None else select(past, [0] * len(prompts))
    return runtime.forward(current, ids, before, True).past_key_values


def _branch(runtime: Runtime, plan: Plan, prompts: Sequence[Prompt], stems: Sequence[int], held: Any) -> torch.Tensor:
    """Last-position logits of each prompt, whose first `stems` tokens are in the cache `held`, right-padded there."""
    device, width = runtime.device, max(len(prompt) - stem for prompt, stem in zip(prompts, stems, strict=True))
    ids = torch.zeros(len(prompts), width, dtype=torch.int64)
    for row, (prompt, stem) in enumerate(zip(prompts, stems, strict=True)):
        ids[row, : len(prompt) - stem] = torch.tensor(prompt.ids[stem:])
    ids, depth = ids.to(device), torch.tensor(stems, device=device)[:, None]
    last = torch.tensor([len(prompt) - stem - 1 for prompt, stem in zip(prompts, stems, strict=True)], device=device)
    seen = torch.arange(max(stems), device=device)[None] < depth  # the cache's holes are masked out
    mask = torch.cat([seen, torch.ones_like(ids, dtype=torch.bool)], dim=1).long()
    current = Pass(plan, torch.zeros_like(last), torch.zeros_like(ids), last)
    cache, positions = select(held, list(range(len(prompts)))), depth + torch.arange(width, device=device)[None]
    return runtime.forward(current, ids, cache, True, mask, positions).logits[:, 0].float()
