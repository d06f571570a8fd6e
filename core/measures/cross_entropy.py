"""How well the edited model predicts text: cross-entropy, the paper's measure of what an edit costs (Table 9).

Knows: prompts as token ids, and passes whose head runs on every position. Does not know: which texts are typical.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch.nn import functional

from core.edits.edits import Edits
from core.forward.batches import logits_everywhere
from core.forward.runtime import Runtime
from core.forward.token_budget import tokens_per_forward
from core.prompts.template import Prompt

#: Logits for every position are wide: this many tokens at once at most (a 256k vocabulary in float32 takes 0.5 GB).
_MOST_TOKENS = 512


def cross_entropy(runtime: Runtime, prompts: Sequence[Prompt], edits: Edits) -> np.ndarray:
    """float64 [prompts]: mean over each prompt's own tokens (its instruction span), nats; NaN where there are none.

    The span's first token is predicted from what stands before it; where nothing does (BOS), from the second on.
    """
    plan, found = runtime.plan([edits]), np.full(len(prompts), np.nan)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    while order:
        longest = len(prompts[order[-1]])
        size = max(1, min(_MOST_TOKENS, tokens_per_forward()) // longest)
        part, order = order[-size:], order[:-size]
        chosen = [prompts[i] for i in part]
        ids, logits = logits_everywhere(runtime, plan, chosen)
        for row, (number, prompt) in enumerate(zip(part, chosen, strict=True)):
            start, end = prompt.spans["instruction"]
            start = max(start, 1)
            if end > start:
                each = functional.cross_entropy(
                    logits[row, start - 1 : end - 1].float(), ids[row, start:end], reduction="none"
                )
                found[number] = float(each.cpu().double().mean())
    return found
