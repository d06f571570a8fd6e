"""A run of the search as one JSON file, for an example shipped with a model: written out of a store, taken into one.

Knows: the tables of a run, by the names of their columns. Does not know: what rows mean, engines, pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cache.store.database import Store
from core.errors import AssetError
from core.shipped_files import check_shipped
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

#: Changes when the file's layout does.
FORMAT = 1
#: Columns that files of earlier versions do not have.
_LATER = {"weights": "", "sae_digests": ""}
_RUN, _ROWS, _STATE = "runs", "run_rows", "latest_run_states"


def write_run(store: Store, run: str, path: Path) -> None:
    """Everything the store has of a run, into one file."""
    tables = {table: _read(store, table, run) for table in (_RUN, _ROWS, _STATE)}
    text = json_text({"format": FORMAT, **tables}, ascii_only=False, separators=(",", ":")) + "\n"
    path.write_text(text, encoding="utf-8")


def add_run(store: Store, path: Path) -> str:
    """Take the run of a file into the store, where it is not there yet. Returns its identifier. Raises AssetError."""
    check_shipped(path)
    try:
        found: dict[str, Any] = json_value(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']}, and this version reads {FORMAT}")
        (about,) = found[_RUN]
        run = str(about["run"])
        if store.rows("select 1 from runs where run = ?", [run]):
            return run
        states = [{name: each[name] for name in ("made_at", "run", "state", "note")} for each in found[_STATE]]
        given = ((_ROWS, found[_ROWS]), ("run_states", states), (_RUN, [_LATER | about]))
        tables = [(table, _values(rows, _columns(store, table))) for table, rows in given]
        # The run itself last: what is only half there is not in the list of runs, and is not added twice.
        for table, values in tables:
            if not store.rows(f"select 1 from {table} where run = ? limit 1", [run]):
                store.insert(table, values)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(
            f"The stored run {path.name} cannot be read ({reason_of(error)}). Restore the file."
        ) from error
    return run


def _columns(store: Store, table: str) -> list[str]:
    return [str(row[0]) for row in store.rows(f"describe {table}")]


def _read(store: Store, table: str, run: str) -> list[dict[str, object]]:
    names = _columns(store, table)
    rows = store.rows(f"select {', '.join(names)} from {table} where run = ?", [run])
    return [
        {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in zip(names, row, strict=True)
        }
        for row in rows
    ]


def _values(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[list[object]]:
    """In the order of the columns. Raises KeyError for one that is missing, ValueError for what is no time."""
    return [[datetime.fromisoformat(row[name]) if name == "made_at" else row[name] for name in names] for row in rows]
