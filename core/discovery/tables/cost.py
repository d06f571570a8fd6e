"""The paper's Table 9: what each edit costs in cross-entropy, on public texts and on the bundled ones beside them.

Knows: what `core.discovery.cost_steps` wrote. Does not know: models, files or pages. Every mean has its interval, and
the difference from the unedited model is taken text by text: the same texts under two conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.crossed_means import mean_over_both
from core.discovery.cost_steps import CHARACTERS, PUBLIC
from core.discovery.ledger import Ledger
from core.discovery.tables.table import Table, estimate_columns, good_rows
from core.statistics import Estimate

#: Kind of text → what it is called in the table.
TEXTS = {"alpaca": "Alpaca", "pile-10k": "Pile", "instruction": "the run's benign requests", "plain": "bundled prose"}


def cost(ledger: Ledger) -> Table:
    """A row for each kind of text and edit: mean and difference from unedited with intervals, n of texts and sets."""
    found, rows = good_rows(ledger, "cost"), []
    sets = [value for item, value in found.items() if item.startswith("set/")]
    edits = {
        "unedited": [found["baseline"]] if "baseline" in found else [],
        "direction ablated": [found["direction"]] if "direction" in found else [],
        "minimal sets ablated": sets,
    }
    for text, title in TEXTS.items():
        bare = _values(edits["unedited"], text)
        for name, values in edits.items():
            if len(each := _values(values, text)):
                row: dict[str, Any] = {"text": title, "edit": name}
                row |= estimate_columns("cross-entropy", mean_over_both(each))
                added = mean_over_both(each - bare) if len(bare) and name != "unedited" and each.shape[1] > 1 else _NONE
                row |= estimate_columns("added to unedited", added)
                by_set = np.nanmean(each, axis=1)
                row["sets"] = len(each)
                row["sd over sets"] = float(np.std(by_set, ddof=1)) if len(each) > 1 else None
                row["texts"] = _texts(values, text)
                rows.append(row)
    return Table(
        "cost", "Cross-entropy (the paper's Table 9)", "Downstream Performance", pd.DataFrame(rows), _note(ledger)
    )


_NONE = Estimate(np.nan, 0, np.nan, np.nan)


def _values(values: Sequence[Mapping[str, Any]], text: str) -> np.ndarray:
    """float [sets, texts] of one kind of text; of a run of before texts were kept one by one, [sets, 1]."""
    kept = [value[text] for value in values if text in value]
    if kept and all("each" in one for one in kept):
        each = np.array([one["each"] for one in kept], dtype=float)
        return each[:, np.isfinite(each).all(0)]
    means = [[one["mean"]] for one in kept if one.get("mean") is not None]
    return np.array(means, dtype=float) if means else np.zeros((0, 0))


def _texts(values: Sequence[Mapping[str, Any]], text: str) -> int:
    """How many texts there are, without those that have no token of their own."""
    kept = next(value[text] for value in values if text in value)
    return int(np.isfinite(np.array(kept["each"], dtype=float)).sum()) if "each" in kept else int(kept["texts"])


def _note(ledger: Ledger) -> str:
    """What the texts are and where a reader gets them; in one sentence, why the public ones are not among them."""
    rows = good_rows(ledger, "texts")
    here = [value for value in rows.values() if value.get("texts")]
    missing = [str(value["missing"]) for value in rows.values() if value.get("missing")]
    sentences = [
        "Nats a token. Requests stand in the chat template and their own tokens count; prose stands alone. Where "
        "several sets were measured, the interval is over sets and texts."
    ]
    if here:
        named = "; ".join(f"{len(value['texts'])} of {value['of']:,} drawn from {value['origin']}" for value in here)
        sentences.append(f"Public texts: {named}. Public prose is cut to {CHARACTERS} characters.")
    if missing:
        alone = "only the bundled texts are reported" if not here else "the table lacks them"
        names = " and ".join(TEXTS[one.name] for one in PUBLIC if rows.get(one.name, {}).get("missing"))
        sentences.append(f"{names} could not be fetched, so {alone}: {missing[0]}")
    elif not rows:
        sentences.append("The run did not ask for public texts, so only the bundled texts are reported.")
    return " ".join(sentences)
