"""Rows of whole tables, read and appended.

Knows: SQL. Does not know: what any table means, or files.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from cache.store.migrations import TABLES

#: Rows of one statement.
STATEMENT = 100
#: table → names of columns, and rows in the order in which they were appended.
Held = dict[str, tuple[list[str], list[tuple]]]


def append_rows(cursor: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Append to a table. Many rows a statement: DuckDB takes as long for a statement of one row as of a hundred."""
    for start in range(0, len(rows), STATEMENT):
        part = rows[start : start + STATEMENT]
        one = f"({', '.join('?' for _ in part[0])})"
        values = [value for row in part for value in row]
        cursor.execute(f"insert into {table} values {', '.join([one] * len(part))}", values)


def all_rows(connection: duckdb.DuckDBPyConnection, tables: Sequence[str] = TABLES) -> Held:
    """Everything in these tables. Raises duckdb.Error."""
    return {
        table: (
            [str(row[0]) for row in connection.execute(f"describe {table}").fetchall()],
            connection.execute(f"select * from {table} order by rowid").fetchall(),
        )
        for table in tables
    }


def append_all(connection: duckdb.DuckDBPyConnection, held: Held) -> int:
    """Append what `all_rows` gave, by the names of columns; how many rows. Raises duckdb.Error."""
    for table, (names, rows) in held.items():
        append_rows(connection, f"{table} ({', '.join(names)})", rows)
    return sum(len(rows) for _, rows in held.values())
