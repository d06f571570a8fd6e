"""Ablation by degrees: what refusal, waking and benign prompts do as an edit's strength goes from 0 past 1.

Knows: one edit set at many strengths. Does not know: which features are in it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.arguments import listed
from core.edits.edits import Edits
from core.engine import Engine
from core.errors import InputError
from core.measures.scores import refusal_score
from core.progress import QUIET, Progress
from core.prompts.conversation import PromptLike
from core.statistics import Estimate, mean, means

#: Sets measured on the benign prompts between two reports of progress.
_AT_ONCE = 4
STRENGTHS = tuple(round(0.1 * step, 1) for step in range(16))


def dose(
    engine: Engine,
    prompt: PromptLike,
    edits: Edits,
    strengths: Sequence[float] = STRENGTHS,
    benign: Sequence[PromptLike] = (),
    progress: Progress = QUIET,
) -> pd.DataFrame:
    """One row per strength, times each edit's own: strength, p, score, woken, kl, kl_low, kl_high, kl_prompts.

    p, score: refusal probability and log-odds at the last position. woken: how many features are dormant unedited and
    fire at that strength. kl: mean over `benign` of the KL divergence from the unedited model in nats, NaN without
    prompts, with its 95% interval over these prompts and their number. Each dictionary is read once for all strengths.
    Raises InputError for a strength outside 0 to 10.
    """
    steps = listed(strengths, "Strengths")
    wanted = [edits.at_strength(s) for s in steps]
    if not wanted:
        raise InputError("No strength was given. Give at least one, for example (0, 0.5, 1).")
    progress("Measuring the prompt", 0.0)
    reading = engine.reader.prompt(engine.prompt(prompt), [Edits(), *wanted])
    woken = np.zeros(len(wanted), dtype=np.int64)
    for layer, x in reading.residuals.items():
        for _, pre, threshold in engine.reader.preactivations(layer, x):
            fires = (pre > threshold).any(1)
            woken += (fires[1:] & ~fires[0]).sum(-1).cpu().numpy()
    kl = _costs(engine, wanted, benign, progress)
    p = reading.p[1:]
    return pd.DataFrame(
        {
            "strength": [float(s) for s in steps],
            "p": p,
            "score": refusal_score(p),
            "woken": woken,
            "kl": [one.value for one in kl],
            "kl_low": [one.low for one in kl],
            "kl_high": [one.high for one in kl],
            "kl_prompts": [one.n for one in kl],
        }
    )


def _costs(engine: Engine, sets: Sequence[Edits], benign: Sequence[PromptLike], progress: Progress) -> list[Estimate]:
    """Each set's mean KL divergence over the benign prompts, a few sets at a time, so that progress can be told."""
    if not len(benign):
        return [mean([])] * len(sets)
    unedited, found = engine.reference(benign), list[Estimate]()
    for start in range(0, len(sets), _AT_ONCE):
        progress(f"Measuring {len(benign)} benign prompts at every strength", (1 + start) / (1 + len(sets)))
        found += means(engine.kl(benign, sets[start : start + _AT_ONCE], unedited))
    return found
