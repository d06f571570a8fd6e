"""Answers under way: prompts under edit sets, which grow by one token at a step.

Knows: plans, passes, key-value caches, the token budget. Does not know: which token is taken, or when an answer ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch

from core.edits.edits import POSITIONS
from core.forward.batches import parting_layer
from core.forward.key_values import joined, select
from core.forward.passes import Pass
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.template import Prompt

#: With as many edit sets a prompt, what its rows share below the lowest edit is worth more than one pass for all.
SETS_A_PROMPT = 3
_GENERATED = np.array([POSITIONS["all"] | POSITIONS["generated"]])


def _parts(runs: Sequence[int], most: int) -> list[slice]:
    """Slices of at most `most` rows, none of which reaches over two of the runs of rows."""
    found, start = list[slice](), 0
    for run_length in runs:
        end = start + run_length
        found += [slice(first, min(first + most, end)) for first in range(start, end, most)]
        start = end
    return found


class Growing:
    """Rows that grow by one token at a step: prompts under edit sets, each followed by its answer so far.

    Prompts are right-padded; the holes that leaves in the cache are masked out of attention. One row from its first
    token on has no holes and needs no mask. Prompts run in passes within the token budget, all rows' steps in one. A
    prompt under several sets runs alone, and once only below the lowest edit.
    """

    def __init__(
        self, runtime: Runtime, plan: Plan, rows: Sequence[tuple[Prompt, int]], start: int = 0, past: Any = None
    ) -> None:
        """rows: prompt and edit set of each. past: a cache with a row each of the first `start` tokens, or None."""
        prompts, device = [prompt for prompt, _ in rows], runtime.device
        self._runtime, self._plan, self._past = runtime, plan, past
        self._rows = torch.tensor([number for _, number in rows], device=device)
        self._lengths = torch.tensor([len(prompt) for prompt in prompts], device=device)
        width, self._steps = max(map(len, prompts)), 0
        self._mask = None
        if len(rows) > 1 or past is not None:
            self._mask = (torch.arange(width, device=device)[None] < self._lengths[:, None]).long()
        self._ids = runtime.ids(prompts, start, width - start)
        self._groups = runtime.groups(plan, prompts, start, width - start)
        self._last = self._lengths - 1 - start
        self._positions = torch.arange(start, width, device=device)[None]
        self._generated = plan.group_of(_GENERATED).to(device)
        same = [len(list(run)) for _, run in groupby(prompts, key=id)]
        shares = past is None and parting_layer(plan) is not None and len(rows) >= SETS_A_PROMPT * len(same)
        self._alike = same if shares else []

    def step(self) -> list[int]:
        """Run what has been added last; the most likely next token of each row."""
        found: list[int] = self.logits().argmax(-1).tolist()
        return found

    def logits(self) -> torch.Tensor:
        """Run what has been added last: [rows, vocabulary], the logits of the next token, in the model's dtype."""
        rows, width = self._ids.shape
        most = max(1, tokens_per_forward() // width)
        if rows <= most and not self._alike:
            found, self._past = self._part(slice(0, rows), self._past)
            return found
        parts, logits, caches = _parts(self._alike or [rows], most), [], []
        for part in parts:
            past = None if self._past is None else select(self._past, list(range(part.start, part.stop)))
            some, cache = self._one_prompt(part) if self._alike else self._part(part, past)
            logits.append(some)
            caches.append(cache)
        self._past, self._alike = joined(caches, [part.stop - part.start for part in parts]), []
        return torch.cat(logits)

    def _one_prompt(self, part: slice) -> tuple[torch.Tensor, Any]:
        """The same of rows with one prompt, whose layers up to the lowest edit run, and are held, in one row."""
        length = int(self._lengths[part.start])
        groups, last = self._groups[part, :length], self._last[part]
        current = Pass(self._plan, self._rows[part], groups, last, expand_at=parting_layer(self._plan))
        out = self._runtime.forward(current, self._ids[part.start : part.start + 1, :length], use_cache=True)
        return out.logits[:, -1], out.past_key_values

    def _part(self, part: slice, past: Any) -> tuple[torch.Tensor, Any]:
        """The next token's logits of some rows, and their cache. past: theirs alone, which grows."""
        positions = self._positions if len(self._positions) == 1 else self._positions[part]
        out = self._runtime.forward(
            Pass(self._plan, self._rows[part], self._groups[part], self._last[part]),
            self._ids[part],
            past,
            True,
            attention_mask=None if self._mask is None else self._mask[part],
            position_ids=positions,
        )
        found: torch.Tensor = out.logits[:, -1]
        return found, out.past_key_values

    def append(self, tokens: Sequence[int], keep: Sequence[int]) -> None:
        """Go on with the rows `keep`, places among the present ones, and append to each its token of `tokens`.

        tokens: one for each present row, those that leave included.
        """
        device = self._runtime.device
        if len(keep) < len(tokens):  # finished rows leave the batch
            index = torch.tensor(keep)  # on the CPU, where it can index a cache whose layers are on several devices
            self._past.batch_select_indices(index)
            index = index.to(device)
            self._rows, self._lengths = self._rows[index], self._lengths[index]
            self._mask = None if self._mask is None else self._mask[index]
        rows = len(keep)
        self._ids = torch.tensor([tokens[i] for i in keep], device=device)[:, None]
        self._groups = self._generated.expand(rows, 1)
        if self._mask is not None:
            self._mask = torch.cat([self._mask, torch.ones(rows, 1, dtype=self._mask.dtype, device=device)], dim=1)
        self._last = torch.zeros(rows, dtype=torch.int64, device=device)
        self._positions, self._steps = (self._lengths + self._steps)[:, None], self._steps + 1
