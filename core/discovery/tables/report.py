"""The report of a run: its tables in the paper's order, with everything that says where the numbers came from.

Knows: which tables there are, and how they become files. Does not know: models or pages. A table exists as soon as its
first row does, so a page shows results as they arrive.
"""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from core.discovery.ledger import Ledger
from core.discovery.runner import STEPS
from core.discovery.settings import Settings
from core.discovery.tables import controls, cosines, cost, fixed, lengths, readings, search, seeds
from core.discovery.tables.recovery import COLUMNS, with_recovery
from core.discovery.tables.table import Table


def tables(ledger: Ledger, settings: Settings | None = None) -> list[Table]:
    """Every table that has rows, in the paper's order. settings: the run's, for the readings it took."""
    made = [with_recovery(make(ledger), ledger) for make in _ALL]
    found = [table for table in made if len(table.frame)]
    return found if settings is None else [*found, readings.chosen(settings)]


def failed(ledger: Ledger) -> int:
    """How many rows say that they failed; memory that ran out is none."""
    return sum(bool(row.error) for step in STEPS for row in ledger.read(step.name).values())


def _summary(ledger: Ledger) -> Table:
    """One line for everything that was ablated, at its best setting: what flips a refusal, and how often."""
    rows: list[dict[str, object]] = []
    for table, what, at in _SUMMARISED:
        frame = with_recovery(table(ledger), ledger).frame
        if len(frame) and "rate" in frame:
            best = frame.loc[frame["rate"].idxmax()] if at else frame.iloc[0]
            several = ", chosen afterwards" if at and len(frame) > 1 else ""
            reached = "up to" if table is search.stage_one else "="
            setting = f", {at} {reached} {best[at]:g}{several}" if at else ""
            rows.append({"ablated": f"{what}{setting}", **{name: best[name] for name in _RATE if name in best}})
        if table is controls.random and len(frame):
            random = {name: frame.iloc[1][name] for name in _RATE if name in frame}
            rows.append({"ablated": "as many random active features", **random})
    compared = with_recovery(fixed.matched(ledger), ledger).frame
    for row in compared.head(3).to_dict("records"):
        rate = {name: row[name] for name in _RATE if name in row}
        rows.append({"ablated": f"{row['ablated']} ({row['set']})", **rate})
    rows = [row for row in rows if row["n"]]
    note = (
        "If several values of a setting were tried, the line shows the value that flips most prompts, so it was chosen "
        "afterwards. n differs: some lines cover all refused prompts, others those with a minimal set, or all draws. A "
        "line without n is left out."
    )
    return Table("summary", "What flips a refusal", "", pd.DataFrame(rows), note)


def _failures(ledger: Ledger) -> Table:
    """What went wrong, and where memory ran out."""
    rows = []
    for stage in (*(s.name for s in STEPS), "memory"):
        for item, row in ledger.read(stage).items():
            if row.error:
                rows.append({"stage": stage, "item": item, "what": row.error})
            elif stage == "memory":
                tokens = row.value["tokens_per_forward"]
                rows.append(
                    {"stage": stage, "item": item, "what": f"out of memory; continued with {tokens} tokens per pass"}
                )
    return Table("failures", "Failures, and stages that ran out of memory", "", pd.DataFrame(rows))


_RATE = ("flipped", "n", "rate", "low", "high", *COLUMNS)
#: Table, what it ablates, and the column that is swept (empty where nothing is; then the first row counts). Stage 1
#: counts prompts that flip at a K or at a smaller one.
_SUMMARISED: tuple[tuple[Callable[[Ledger], Table], str, str], ...] = (
    (controls.direction, "refusal direction", ""),
    (search.stage_one, "Stage 1: nearest features", "K per layer"),
    (search.stage_two, "Stage 2: minimal sets", "τ"),
    (controls.inert, "sets that flip with their dormant features left out", ""),
    (controls.random, "minimal sets that flip", ""),
    (search.interactions, "Stage 3: active Stage 2 and new features", "K"),
    (controls.links, "Stage 3: new features alone, where they flip with the others", ""),
    (controls.probe, "top K of machine or probe", "K"),
    (controls.least_tokens, "features active on many tokens", "tokens at least"),
)
_ALL: tuple[Callable[[Ledger], Table], ...] = (
    _summary,
    search.prompts,
    search.by_category,
    lengths.lengths,
    cosines.cosines,
    search.stage_one,
    search.stage_two,
    search.minimal,
    fixed.fixed,
    controls.inert,
    controls.redundant,
    fixed.matched,
    controls.random,
    controls.direction,
    controls.least_tokens,
    search.machines,
    seeds.agreement,
    search.interactions,
    controls.links,
    controls.probe,
    cost.cost,
    _failures,
)
