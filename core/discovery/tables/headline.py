"""What a run has found so far, in one or two sentences above its tables.

Knows: the tables that the sentences are taken from. Does not know: pages. Every number stands in a table below.
"""

from __future__ import annotations

import pandas as pd

from core.discovery.ledger import Ledger
from core.discovery.tables import controls, search
from core.statistics import rate


def headline(ledger: Ledger) -> str:
    """Which share of the refused prompts flips, and by what; empty before anything was ablated.

    Settings that were chosen afterwards, and sets that were chosen because they flip, are called so.
    """
    candidates, minimal = search.stage_one(ledger).frame, search.stage_two(ledger).frame
    parts = []
    direction = controls.direction(ledger).frame
    if len(direction):
        parts.append(f"ablating the refusal direction flips {_share(direction.iloc[0])}")
    if len(candidates):
        last = candidates.iloc[-1]
        parts.append(f"the nearest features, up to {last['K per layer']:g} a layer, flip {_share(last)}")
    if len(minimal):
        best = minimal.loc[minimal["rate"].idxmax()]
        size = f" with a median of {best['features, median']:g} features" if best["flipped"] else ""
        parts.append(f"minimal sets at τ = {best['τ']:g}, chosen afterwards, flip {_share(best)}{size}")
    if not parts:
        return ""
    said = f"Of the refused prompts, {'; '.join(parts)}."
    control = controls.random(ledger).frame
    if len(control) > 1:
        said += f" As many random active features in a flipping set’s place flip {_share(control.iloc[1])}."
    return said


def _share(row: pd.Series) -> str:
    return str(rate(int(row["flipped"]), int(row["n"])))
