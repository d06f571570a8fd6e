"""How well the edited model predicts a given answer after its prompt: negative log-likelihood, nats a token.

Knows: prompts that are followed by an answer, and passes whose head runs at the answer's positions. Does not know:
whose answer it is, or how recovery is made of it (`core.measures.recovery`).
Edits act on the answer's tokens as they act on tokens that the model writes itself: positions “all” and “generated”.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional

from core.edits.edits import Edits
from core.forward.batches import run
from core.forward.runtime import Runtime
from core.prompts.template import Prompt


def answer_nll(runtime: Runtime, answered: Sequence[Prompt], edits: Sequence[Edits]) -> np.ndarray:
    """float64 [prompts, edits]: mean over the tokens of each answer, the end of the turn not counted.

    answered: prompts with the span “generated” (`core.prompts.answered.with_answer`).
    """
    found = np.full((len(answered), len(edits)), np.nan)
    spans = [prompt.spans["generated"] for prompt in answered]
    heads = [(first - 1, end - 1) for first, end in spans]  # a token is predicted at the position before it
    for batch in run(runtime, runtime.plan(edits), answered, heads=heads):
        if not batch.logits.numel():
            continue  # the pass of a shared prefix
        for row, (prompt, edit) in enumerate(zip(batch.prompts, batch.edits, strict=True)):
            first, end = spans[prompt]
            ids = torch.tensor(answered[prompt].ids[first:end], device=batch.logits.device)
            each = functional.cross_entropy(batch.logits[row, : end - first], ids, reduction="none")
            found[prompt, edit] = float(each.cpu().double().mean())
    return found
