"""The tables of an earlier report that lie in a folder.

Knows: what `export.write` leaves behind. Does not know: what is done with them. A file counts only where its report
names it and it has the columns that the report puts beside every row, so nobody else's file is taken for one.
"""

from __future__ import annotations

import csv
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.text.json_text import json_value


def earlier_tables(folder: Path) -> list[Path]:
    """CSV and Parquet files of the report whose report.json is there; none where there is none that can be read."""
    try:
        found = json_value((folder / "report.json").read_text(encoding="utf-8"))
        facts, names = set(found["facts"]), [str(name) for name in found["tables"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    paths = [folder / f"{name}{ending}" for name in names for ending in (".csv", ".parquet")]
    return [path for path in paths if path.parent == folder and facts and _has(_columns(path), facts)]


def of_run(fact: str) -> str:
    """The column of a fact in a table that has a column of the fact's name itself."""
    return f"run's {fact}"


def _has(columns: set[str], facts: set[str]) -> bool:
    return all(fact in columns or of_run(fact) in columns for fact in facts)


def _columns(path: Path) -> set[str]:
    """Of a table in a file of its own; none of a link, or where the file cannot be read."""
    if path.is_symlink() or not path.is_file():
        return set()
    with suppress(OSError, ValueError, pa.ArrowException, csv.Error):
        if path.suffix == ".parquet":
            return set(pq.read_schema(path).names)
        with path.open(encoding="utf-8", newline="") as lines:
            return set(next(csv.reader(lines), []))
    return set()
