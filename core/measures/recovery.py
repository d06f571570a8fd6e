"""Recovery: how much of what keeps a refusing model from a reference answer an edit takes away, without a threshold.

    recovery(edit) = (NLL unedited − NLL edited) / (NLL unedited − NLL reference)

NLL is the mean negative log-likelihood of the reference answer after the prompt, in nats a token, the chat template
around the prompt and the end of the turn not counted; NLL reference is under the model that wrote the answer. 0: as
unlikely as before. 1: as likely as its writer found it. Below 0: less likely than before. It may be above 1.

Knows: prompts with an answer, edits. Does not know: where references come from (`core.prompts.references`), verdicts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from core.edits.edits import Edits
from core.forward.runtime import Runtime
from core.measures.answer_nll import answer_nll
from core.prompts.answered import with_answer
from core.prompts.references import Reference
from core.prompts.template import Prompt
from core.statistics import ratio

#: Nats a token. With a smaller gap there is nothing to recover, and a ratio would be noise.
LEAST_GAP = 0.05


class Gap(NamedTuple):
    """NLL of one reference answer, nats a token of the audited model: unedited, edited, and under its writer.

    floor: the writer's is not known and stands as 0, the least it can be, so that the recovery is nearer to 0 than with
    the true one.
    """

    unedited: float
    edited: float
    reference: float
    floor: bool = False

    @property
    def width(self) -> float:
        """What there is to recover."""
        return self.unedited - self.reference

    @property
    def recovery(self) -> float:
        """Of this prompt alone; NaN where there is no gap."""
        return (self.unedited - self.edited) / self.width if self.width >= LEAST_GAP else float("nan")


class Recovery(NamedTuple):
    """Over `n` prompts: the ratio of sums, with its 95% interval (`core.statistics.ratio`); NaN where there
    is none.

    Each prompt counts with its mean a token, so a prompt with a wider gap counts for more. no_gap: prompts left out,
    because the unedited model predicts their answer about as well as its writer does. floor: how many of the n have no
    NLL of their writer.
    """

    share: float
    low: float
    high: float
    n: int
    no_gap: int = 0
    floor: int = 0

    def __str__(self) -> str:
        if not self.n:
            return "– (n = 0)"
        interval = "" if np.isnan(self.low) else f", 95% CI {self.low:.1%} to {self.high:.1%}"
        return f"{self.share:.1%} (n = {self.n}{interval})"


def measure(
    runtime: Runtime, prompts: Sequence[Prompt], references: Sequence[Reference], edits: Sequence[Edits]
) -> list[list[Gap]]:
    """[prompt][edit set], with one reference a prompt; without an edit, edited is unedited to the bit.

    Raises InputError for an answer that is empty or does not fit the context, and as `measure` of scores does.
    """
    answered = [
        with_answer(runtime.tokenizer, prompt, one.answer, runtime.context_length, goes_on=not runtime.template.after)
        for prompt, one in zip(prompts, references, strict=True)
    ]
    sets = [Edits(), *dict.fromkeys(one for one in edits if one)]
    column = {one: number for number, one in enumerate(sets)}
    found = answer_nll(runtime, answered, sets) if answered else np.zeros((0, len(sets)))
    gaps = []
    for row, one, prompt in zip(found, references, answered, strict=True):
        first, end = prompt.spans["generated"]
        theirs = 0.0 if one.nll is None else one.nll * (one.tokens or end - first) / (end - first)
        gaps.append([Gap(float(row[0]), float(row[column[e]]), theirs, one.nll is None) for e in edits])
    return gaps


def over_prompts(gaps: Iterable[Gap]) -> Recovery:
    """The recovery of one edit set over many prompts, one gap a prompt."""
    every = list(gaps)
    kept = [gap for gap in every if gap.width >= LEAST_GAP]
    found = ratio([gap.unedited - gap.edited for gap in kept], [gap.width for gap in kept])
    return Recovery(found.value, found.low, found.high, found.n, len(every) - len(kept), sum(gap.floor for gap in kept))
