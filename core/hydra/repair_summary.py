"""Self-repair over many prompts: each prompt's, and what they have in common.

Knows: `self_repair` and means with intervals. Does not know: which prompts and edits are worth it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from core.arguments import listed
from core.edits.edits import Edits
from core.engine import Engine
from core.errors import Cancelled, InputError
from core.hydra.self_repair import SelfRepair, self_repair
from core.measures.last_token import PARTS
from core.progress import NEVER, QUIET, Progress
from core.prompts.conversation import PromptLike
from core.statistics import Estimate, mean, means, ratio


@dataclass(frozen=True, eq=False)
class RepairSummary:
    """Means over prompts with 95% intervals (`core.statistics`); logits as in `SelfRepair`.

    blocks: one row per layer and name (“attention”, “mlp”, “response” of the block, “cumulative”): layer, name, mean,
    low, high, n. put_back: mean of the prompts' shares, its n the prompts in which the share is defined. pooled: Σ put
    back / Σ fallen over those prompts, in which a prompt that falls far counts for much. prompts: of all.
    """

    blocks: pd.DataFrame
    direct: Estimate
    total: Estimate
    normalisation: Estimate
    deepest: Estimate
    end: Estimate
    put_back: Estimate
    pooled: Estimate
    prompts: int


def repair_over(
    engine: Engine,
    prompts: Sequence[PromptLike],
    sets: Sequence[Edits],
    tokens: Sequence[int] | None = None,
    *,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Iterator[list[SelfRepair]]:
    """`self_repair` of the same edit sets on each prompt, as they are done: one list a prompt, in the order of `sets`.

    Raises Cancelled between prompts; bad input raises InputError here, before the first.
    """
    several = listed(prompts, "Prompts")
    for edits in sets:
        engine.check(edits)

    def go() -> Iterator[list[SelfRepair]]:
        for done, prompt in enumerate(several):
            if cancelled():
                raise Cancelled("Stopped.")
            progress(f"Self-repair, prompt {done + 1} of {len(several)}", done / len(several))
            yield self_repair(engine, prompt, sets, tokens)
        progress("Self-repair", 1.0)

    return go()


def summarise(repairs: Sequence[SelfRepair]) -> RepairSummary:
    """What one edit set, or its counterparts, did on several prompts. Raises InputError where there is none."""
    if not repairs:
        raise InputError("There is nothing to summarise. Give at least one measurement.")
    rows = []
    for name in (*PARTS, "response", "cumulative"):
        found = means(np.stack([one.blocks[name].to_numpy() for one in repairs]))
        rows += [(layer, name, one.value, one.low, one.high, one.n) for layer, one in enumerate(found)]
    fallen = np.array([-one.deepest if np.isfinite(one.put_back) else 0.0 for one in repairs])
    returned = np.array([one.end - one.deepest for one in repairs])

    return RepairSummary(
        pd.DataFrame(rows, columns=["layer", "name", "mean", "low", "high", "n"]),
        mean([one.direct for one in repairs]),
        mean([one.total for one in repairs]),
        mean([one.normalisation for one in repairs]),
        mean([one.deepest for one in repairs]),
        mean([one.end for one in repairs]),
        mean([one.put_back for one in repairs]),
        ratio(returned, fallen),
        len(repairs),
    )
