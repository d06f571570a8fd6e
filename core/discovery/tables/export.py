"""A run's tables as files: CSV, Parquet, JSON and Markdown, each saying where its numbers came from.

Knows: tables and the facts that go with them. Does not know: stores, models or pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.discovery.tables.earlier import earlier_tables, of_run
from core.discovery.tables.table import Table
from core.errors import InputError
from core.kept_files import write_to
from core.text.csv_text import csv_text
from core.text.json_text import json_text

#: What stands with every table, in this order: name → value.
Facts = Mapping[str, str]


#: What a report is headed with where it is of a run.
TITLE = "Discovery report"


class Written(NamedTuple):
    """files: that were written. removed: tables of an earlier report in the same folder that this one does not have."""

    files: list[Path]
    removed: list[Path]


def write(tables: Sequence[Table], facts: Facts, folder: Path, title: str = TITLE) -> Written:
    """Write `report.md`, `report.json` and every table as CSV and Parquet.

    Files of an earlier report in the folder are replaced, and its other tables removed: beside this report's they would
    pass for its own. They are told by its report.json and by the columns with its facts; nothing else is touched.
    Raises InputError where files cannot be written.
    """
    try:
        return _written(tables, facts, folder, title)
    except OSError as error:
        raise InputError(
            f"The tables cannot be written to {folder} ({error.strerror or error}). Free some space, or choose another "
            "folder."
        ) from error


def _written(tables: Sequence[Table], facts: Facts, folder: Path, title: str) -> Written:
    folder.mkdir(parents=True, exist_ok=True)
    names = {table.name for table in tables}
    removed = [path for path in earlier_tables(folder) if path.stem not in names]
    for path in removed:  # before its report.json goes, which tells what they are
        path.unlink()
    written = [folder / "report.md", folder / "report.json"]
    write_to(written[0], markdown(tables, facts, title))
    write_to(written[1], as_json(tables, facts) + "\n")
    for table in tables:
        frame = with_facts(table, facts)
        written += [folder / f"{table.name}.csv", folder / f"{table.name}.parquet"]
        write_to(written[-2], csv_text(frame))
        write_to(written[-1], frame.to_parquet(None, index=False))
    return Written(written, removed)


def as_json(tables: Sequence[Table], facts: Facts) -> str:
    """Facts and every table, one record a row, as one JSON object."""
    everything = {"facts": dict(facts), "tables": {t.name: records(t.frame) for t in tables}}
    return json_text(everything, ascii_only=False, indent=1)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Its rows as JSON values, whose floats keep every bit: `DataFrame.to_json` keeps ten decimals, so that a small p
    would be 0. What is missing, NaN or infinite is None."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def _plain(value: Any) -> Any:
    value = value.item() if isinstance(value, np.generic) else value
    missing = value is None or value is pd.NA or (isinstance(value, float) and not math.isfinite(value))
    return None if missing else value


def with_facts(table: Table, facts: Facts) -> pd.DataFrame:
    """The table with its facts as constant columns behind the others, so that a row on its own can be traced. A fact
    that is called as a column of the table is, is the column “run's …”, so that neither is lost."""
    taken = set(table.frame.columns)
    return table.frame.assign(**{of_run(name) if name in taken else name: fact for name, fact in facts.items()})


def markdown(tables: Sequence[Table], facts: Facts, title: str = TITLE) -> str:
    """The whole report as one Markdown text."""
    line = "; ".join(f"{name} {value}" for name, value in facts.items() if name != "settings")
    lines = [f"# {title}", "", *(f"- **{name}**: {value}" for name, value in facts.items()), ""]
    for table in tables:
        lines += [f"## {table.title}", "", markdown_table(table.frame), ""]
        paper = f"Paper: “{table.section}”. " if table.section else ""
        lines += [f"{paper}{table.note}".strip(), "", f"<sub>{line}</sub>", ""]
    return "\n".join(lines)


def markdown_table(frame: pd.DataFrame) -> str:
    """A frame as a Markdown table; rates as percentages, other numbers with four digits."""
    heads = [str(column) for column in frame.columns]
    rows = [
        [_cell(column, value) for column, value in zip(heads, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [heads, ["---"] * len(heads), *rows])


#: Columns that hold shares of one.
SHARES = (
    "rate",
    "low",
    "high",
    "accuracy",
    "woken share",
    "share",
    "pairs",
    "deactivated",
    "drop",
    "overlap",
    "recovery",
)


def is_share(column: str) -> bool:
    """Whether a column of that name holds shares, to be shown as percentages."""
    return column.startswith(SHARES) and not column.startswith(("overlap, mean Jaccard", "recovery, n"))


def _cell(column: str, value: object) -> str:
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return "–"
    if isinstance(value, float | np.floating):
        return f"{value:.1%}" if is_share(column) else f"{value:.4g}"
    return str(value).replace("|", "\\|").replace("\n", " ")
