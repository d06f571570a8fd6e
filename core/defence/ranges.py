"""How strongly features fire by themselves: what a clamp's value is to be compared with.

Knows: activations over prompts. Does not know: clamps.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.prompts.conversation import PromptLike
from core.statistics import rate


def natural_ranges(engine: Engine, features: Sequence[Feature], prompts: Sequence[PromptLike]) -> pd.DataFrame:
    """One row per feature, each once, in the order given: layer, index, bos, median, p95, highest, share_active,
    share_low, share_high, prompts.

    bos: its activation at BOS, the same for every prompt (NaN where the template begins with no BOS). median, p95,
    highest: over the positions other than BOS at which it is active; NaN where it never is. share_active: of prompts,
    those on which it is active somewhere other than BOS,
    with the 95% Wilson interval and the number of prompts. SAELens units, unedited. Raises InputError.
    """
    named = list(dict.fromkeys(Edits.ablate(features).features))
    found = engine.measure(prompts, [Edits()], named).activations[:, 0]
    has_bos = "bos" in engine.prompt("Hello").spans
    rest = np.nan_to_num(found[..., 1:] if has_bos else found, nan=0.0)
    rows = []
    for column, (layer, index) in enumerate(named):
        values = rest[:, column]
        active = values[values > 0]
        middle = np.percentile(active, [50, 95, 100]) if active.size else np.full(3, np.nan)
        bos = float(found[0, column, 0]) if has_bos else np.nan
        share = rate(int((values > 0).any(-1).sum()), len(values))
        rows.append((layer, index, bos, *map(float, middle), share.rate, share.low, share.high, share.n))
    columns = [
        "layer",
        "index",
        "bos",
        "median",
        "p95",
        "highest",
        "share_active",
        "share_low",
        "share_high",
        "prompts",
    ]
    return pd.DataFrame(rows, columns=columns)
