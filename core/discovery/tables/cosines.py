"""The paper's Figures 4 and 5 as a table: cosine with the refusal direction by layer, harmful and benign prompts.

Knows: what `core.discovery.cosine_steps` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from core.discovery.ledger import Ledger
from core.discovery.tables.table import Table, estimate_columns, good_rows
from core.statistics import difference_of_means, means

TITLE = "Cosine with the refusal direction by layer (the paper's Figures 4 and 5)"


def cosines(ledger: Ledger) -> Table:
    """A row a layer: the mean of each side with its interval and n, and the difference of the two."""
    sides = {kind: _side(ledger, kind) for kind in ("harmful", "benign")}
    present = {kind: values for kind, values in sides.items() if len(values)}
    rows: list[dict[str, object]] = []
    for layer in range(min((values.shape[1] for values in present.values()), default=0)):
        rows.append({"layer": layer})
    for kind, values in present.items():
        for row, found in zip(rows, means(values), strict=True):
            row |= estimate_columns(kind, found) | {f"{kind}, n": found.n}
    if len(present) == 2:
        for layer, row in enumerate(rows):
            apart = difference_of_means(sides["harmful"][:, layer], sides["benign"][:, layer])
            row |= estimate_columns("difference", apart)
    note = (
        "Means over all prompts that Stage 0 kept, unedited, at the last prompt token, of the residual stream after "
        "each layer. The paper's figures show one harmful and one benign prompt. The direction may have been made from "
        "other prompts of the same kind, which favours a difference at its own layer."
    )
    return Table("cosines", TITLE, "Preliminary Analysis", pd.DataFrame(rows), note + _rise(sides["harmful"]))


def lines(frame: pd.DataFrame) -> pd.DataFrame:
    """The table for a chart, a row a layer and side: layer, prompts, cosine, low, high, n."""
    parts = [
        pd.DataFrame(
            {
                "layer": frame["layer"],
                "prompts": kind,
                "cosine": frame[kind],
                "low": frame[f"{kind}, from"],
                "high": frame[f"{kind}, to"],
                "n": frame[f"{kind}, n"],
            }
        )
        for kind in ("harmful", "benign")
        if kind in frame
    ]
    columns = ["layer", "prompts", "cosine", "low", "high", "n"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _side(ledger: Ledger, kind: str) -> np.ndarray:
    """float [prompts, layers]."""
    found = [v["cosine"] for item, v in good_rows(ledger, "cosines").items() if item.startswith(f"{kind}/")]
    return np.array(found, dtype=float) if found else np.zeros((0, 0))


def _rise(harmful: np.ndarray) -> str:
    """Whether harmful prompts' mean rises from layer to layer, as the paper says it does up to the direction's."""
    if harmful.size == 0:
        return ""
    average = harmful.mean(0)
    top = int(average.argmax())
    falls = int((np.diff(average[: top + 1]) < 0).sum())
    rise = "at every layer" if not falls else f"at {top - falls} of {top} layers"
    return f" The mean of harmful prompts is highest after layer {top}, and rises {rise} on the way there."
