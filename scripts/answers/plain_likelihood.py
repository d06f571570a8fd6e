"""How well a plain transformers model predicts an answer: without an engine, for models that are not in the registry.

Knows: a model called without edits, token ids. Does not know: verdicts, thresholds, edits. The program's own way is
`core/answers/likelihood.py`, and a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from core.answers.likelihood import SKIPPED

#: Logits for every position are wide: this many tokens at once at most.
_MOST_TOKENS = 1024


@torch.inference_mode()
def log_probabilities(model: Any, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[np.ndarray]:
    """For each (prompt ids, answer ids): float32 [answer tokens], natural log of each answer token's probability.

    Rows are right-padded; causal attention never looks right, so the padding changes nothing.
    """
    found = [np.zeros(0, np.float32)] * len(rows)
    order = sorted((i for i, row in enumerate(rows) if row[1]), key=lambda i: len(rows[i][0]) + len(rows[i][1]))
    while order:
        longest = len(rows[order[-1]][0]) + len(rows[order[-1]][1])
        size = max(1, _MOST_TOKENS // longest)
        part, order = order[-size:], order[:-size]
        ids = torch.zeros(len(part), longest, dtype=torch.int64)
        for at, number in enumerate(part):
            joined = [*rows[number][0], *rows[number][1]]
            ids[at, : len(joined)] = torch.tensor(joined)
        ids = ids.to(model.device)
        logits = model(input_ids=ids, use_cache=False).logits
        for at, number in enumerate(part):
            start, count = len(rows[number][0]), len(rows[number][1])
            each = torch.log_softmax(logits[at, start - 1 : start - 1 + count].float(), -1)
            found[number] = each.gather(1, ids[at, start : start + count, None])[:, 0].cpu().numpy()
    return found


def likelihood_ratio(here: np.ndarray, elsewhere: Sequence[np.ndarray]) -> float:
    """Mean over tokens, in nats a token, of log p(token | its prompt) − mean over other prompts of log p(token | other).

    here: [tokens] after the answer's prompt. elsewhere: the same tokens after each of the other prompts. The first
    `SKIPPED` tokens are left out; NaN where nothing is left.
    """
    if len(here) <= SKIPPED or not elsewhere:
        return float("nan")
    return float((here - np.mean(elsewhere, axis=0))[SKIPPED:].mean())


def mean_nll(here: np.ndarray) -> float:
    """Mean negative log-likelihood in nats a token; NaN where there is none."""
    return float(-here.mean()) if len(here) else float("nan")
