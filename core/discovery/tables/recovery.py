"""The columns “recovery” of a run's tables, beside the rate of flips: how far each ablation recovers the references.

Knows: what `core.discovery.recovery_step` wrote, and which of its names each row of a table is. Does not know: models,
files or pages. A run without reference answers has no such columns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from core.discovery.fixed_steps import CHOSEN, FIXED
from core.discovery.ledger import Ledger
from core.discovery.recovery_step import gap_of, gap_over_draws
from core.discovery.tables.fixed import CHOSEN_AFTERWARDS, POOL, RANDOM, THE_SET, SetsAt
from core.discovery.tables.table import Table, good_rows
from core.measures.recovery import Recovery, over_prompts

#: What follows the rate's columns where there are reference answers.
COLUMNS = ("recovery", "recovery, from", "recovery, to", "recovery, n")
_NOTE = (
    " “recovery” is the share of the gap in NLL per token, between the unedited model and the model that wrote the "
    "reference answers, that the edit closes. It is over the refused prompts with a reference answer on which the edit "
    "was made, with a 95% interval over prompts (bootstrap; of fewer than 20 prompts Student's t)."
)


def _inert(row: Mapping[str, Any]) -> str:
    return "active" if row["sets"].endswith(CHOSEN_AFTERWARDS) else f"fixed_active/{SetsAt.k_of(row['sets'])}"


def _fixed(row: Mapping[str, Any]) -> str:
    return f"{'pool' if row['ablated'] == POOL else 'fixed'}/{SetsAt.k_of(row['sets'])}"


def _controls(row: Mapping[str, Any]) -> str:
    k = SetsAt.k_of(row["set"])
    if row["ablated"] == THE_SET:
        return f"fixed/{k}" if k else "minimal"
    return f"{'matched' if row['ablated'] == RANDOM else 'unaligned'}/{FIXED if k else CHOSEN}"


#: Table → the name, in the rows of the step, of what a row of it ablated.
_NAMES: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "direction": lambda row: "direction",
    "stage_1": lambda row: f"stage_1/{row['K per layer']:g}",
    "stage_2": lambda row: f"stage_2/{row['τ']}",
    "inert": _inert,
    "fixed": _fixed,
    "controls": _controls,
    "random": lambda row: "minimal" if row["ablated"].startswith("minimal set") else "random",
    "least_tokens": lambda row: f"least_tokens/{row['tokens at least']:g}",
    "stage_3": lambda row: f"stage_3/{row['K']:g}",
    "links": lambda row: "alone",
    "probe": lambda row: f"{'probe' if row['ranked by'] == 'linear probe' else 'machine'}/{row['K']:g}",
}


def recovery_of(ledger: Ledger, name: str) -> Recovery:
    """One ablation over the prompts that have a reference answer and on which it was made; random draws by their
    mean.
    """
    rows = good_rows(ledger, "recovery").values()
    gaps = (gap_of(value, name) or gap_over_draws(value, name) for value in rows)
    return over_prompts(gap for gap in gaps if gap is not None)


def with_recovery(table: Table, ledger: Ledger) -> Table:
    """The table with its columns behind the rate's, where it has rates and the run has reference answers."""
    rows = good_rows(ledger, "recovery")
    name_of = _NAMES.get(table.name)
    if not rows or name_of is None or table.frame.empty:
        return table
    found = [recovery_of(ledger, name_of(row)) for row in table.frame.to_dict(orient="records")]
    place = list(table.frame.columns).index("high") + 1
    columns = pd.DataFrame([one[:4] for one in found], columns=list(COLUMNS), index=table.frame.index)
    frame = pd.concat([table.frame.iloc[:, :place], columns, table.frame.iloc[:, place:]], axis=1)
    return table._replace(frame=frame, note=(table.note + _NOTE + _left_out(found, rows)).strip())


def _left_out(found: list[Recovery], rows: Mapping[str, Mapping[str, Any]]) -> str:
    """What is not counted and why, and what an unknown writer does to the figures."""
    text = ""
    if no_gap := max(one.no_gap for one in found):
        text += f" {no_gap} prompts are left out, because the unedited model predicts their reference answer as well."
    if floor := sum(bool(value["floor"]) for value in rows.values()):
        text += (
            f" For {floor} of {len(rows)} prompts the NLL of the answer under its writer is not known and stands as 0, "
            "so these recoveries are nearer to 0 than the true ones."
        )
    return text
