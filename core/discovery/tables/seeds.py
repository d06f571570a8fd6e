"""What Stage 3's machines give with another seed: accuracy, embeddings, and how far their rankings agree.

Knows: what `core.discovery.steps` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.discovery.consensus import overlap_by_chance, top_overlaps
from core.discovery.ledger import Ledger, features
from core.discovery.stage3_factorization import alike_by_chance
from core.discovery.tables.table import Table, good_rows

_TOP = 100


def by_machine(ledger: Ledger) -> dict[str, list[Mapping[str, Any]]]:
    """A machine's item without its seed → its fits, in the order of seeds."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for item, value in good_rows(ledger, "machine").items():
        found.setdefault(item.partition("/seed/")[0], []).append(value)
    return found


def machine_name(item: str) -> str:
    """What a machine is called, from the item of any of its fits."""
    name = item.partition("/seed/")[0]
    return "linear probe" if name == "probe" else f"embeddings of {name.partition('/')[2]}"


def agreement(ledger: Ledger) -> Table:
    """Of machines that were fitted more than once."""
    rows = [_row(item, fits) for item, fits in by_machine(ledger).items() if len(fits) > 1]
    note = (
        "Means over seeds, with the least and the most. Seeds differ in the first embeddings and the order of training "
        "rows; the split is one. “overlap” is the share of the first 100 features that two seeds' rankings have in "
        "common, over all pairs of seeds, with what rankings drawn at random would have. “pairs above 0.9” is the "
        "paper's sign of embeddings that are too alike, with what random directions of that size have. “cosine to "
        "start” is the median embedding's: near 1, training has hardly moved it. Later steps use the mean rank over "
        "seeds."
    )
    frame = pd.DataFrame(rows).dropna(axis=1, how="all")
    return Table("machine_seeds", "Machines over several seeds", "Stage 3", frame, note)


def _row(item: str, fits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rankings = [features(value["ranking"]) for value in fits if value.get("ranking")]
    found = top_overlaps(rankings, _TOP) if len(rankings) > 1 else np.empty(0)
    candidates = [value["ranked_of"] for value in fits if value.get("ranked_of")]
    top = min([_TOP, *map(len, rankings)])
    return {
        "machine": machine_name(item),
        "seeds": len(fits),
        **_spread("accuracy", [value["accuracy"][0] / max(1, value["accuracy"][1]) for value in fits]),
        "test rows": fits[0]["accuracy"][1],
        "best epoch, median": float(np.median([value["best_epoch"] for value in fits])),
        "epochs, most": max((len(value["curve"]) for value in fits if "curve" in value), default=None),
        **_spread("pairs above 0.9", [value.get("above_0.9") for value in fits]),
        "pairs by chance": None if item == "probe" else alike_by_chance(int(item.partition("/")[2])),
        **_spread("cosine to start", [value.get("moved") for value in fits]),
        **_spread("overlap", found.tolist()),
        "overlap by chance": overlap_by_chance(min(candidates), top) if len(found) and candidates else None,
    }


def _spread(name: str, values: Sequence[float | None]) -> dict[str, float | None]:
    """Mean, least and most; None without a value."""
    kept = [value for value in values if value is not None]
    if not kept:
        return {name: None, f"{name}, least": None, f"{name}, most": None}
    return {name: float(np.mean(kept)), f"{name}, least": min(kept), f"{name}, most": max(kept)}
