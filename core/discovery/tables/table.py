"""What every table of a run is made with: rows that did not fail, and rates as columns.

Knows: rows of a ledger, how a rate becomes columns. Does not know: which tables there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from core.answers.verdicts import VERDICTS
from core.discovery.ledger import Ledger
from core.statistics import Estimate, Rate, rate


class Table(NamedTuple):
    """name: for files. title, section: for people; section is the paper's. note: what a reader must know."""

    name: str
    title: str
    section: str
    frame: pd.DataFrame
    note: str = ""


def good_rows(ledger: Ledger, stage: str) -> dict[str, Mapping[str, Any]]:
    """item → value, without those that failed."""
    return {item: row.value for item, row in ledger.read(stage).items() if not row.error}


def rate_columns(found: Rate) -> dict[str, Any]:
    return {"flipped": found.hits, "n": found.n, "rate": found.rate, "low": found.low, "high": found.high}


def estimate_columns(name: str, found: Estimate) -> dict[str, Any]:
    """A number and its interval as three columns. n stands in a column of the table's own: many share one."""
    return {name: found.value, f"{name}, from": found.low, f"{name}, to": found.high}


def other_columns(verdicts: Iterable[str], at: str = "") -> dict[str, int]:
    """How many answers are neither a refusal nor compliance, by verdict: none of them is a flip."""
    kept = list(verdicts)
    return {f"{name}{at}": kept.count(name) for name in VERDICTS if name not in ("refused", "complied")}


def complied(verdicts: Iterable[str]) -> Rate:
    kept = list(verdicts)
    return rate(sum(v == "complied" for v in kept), len(kept))
