"""Rows of a run as Arrow tables, for files and for messages between machines.

Knows: Arrow. Does not know: what rows mean. Values are the JSON lines that the store keeps, so floats keep every bit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pyarrow as pa

from core.discovery.ledger import Row, from_json, to_json

SCHEMA = pa.schema([(name, pa.string()) for name in ("stage", "item", "value", "error")])


def to_table(rows: Iterable[Row]) -> pa.Table:
    """One line a row: stage, item, value as JSON, error."""
    lines = [(row.stage, row.item, to_json(row.value), row.error) for row in rows]
    return pa.table([list(column) for column in zip(*lines, strict=True)] or [[]] * 4, schema=SCHEMA)


def from_table(table: pa.Table) -> list[Row]:
    """The other way round. Raises ValueError for a table of other columns or values."""
    if table.schema.names != SCHEMA.names:
        raise ValueError(f"its columns are {', '.join(table.schema.names)}")
    if any(column.null_count for column in table.columns):
        raise ValueError("some of its values are missing")
    return [Row(one["stage"], one["item"], from_json(one["value"]), one["error"]) for one in table.to_pylist()]


def digest_of(rows: Iterable[Row]) -> str:
    """16 hex digits of what the rows hold: a bit that flipped in a file is noticed."""
    total = hashlib.sha256()
    for row in rows:
        for part in (row.stage, row.item, to_json(row.value), row.error):
            total.update(part.encode("utf-8") + b"\0")
    return total.hexdigest()[:16]
