"""A store's file, opened: migrated, every row of it read once, and what is wrong with it put aside and said.

Knows: migrations, and what can go wrong with a file. Does not know: what is kept in it, or who shares it.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import duckdb

from cache.store.damage import Acknowledged, LogCopy, bad_log, is_damage, log_of, probe, put_store_aside, readable_rows
from cache.store.migrations import MIGRATIONS
from cache.store.whole_tables import Held, append_all
from core.kept_files import put_aside

# DuckDB would otherwise fetch extensions over the network, and take every core.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
_log = logging.getLogger("hydrascope.store")
#: The number of a file that was deleted as soon as it was open; no file has it.
_GONE = (-1, -1)


class Opened(NamedTuple):
    """rows: how many there are. file: device and number of the file, None for a store in memory; trouble says why then,
    and taken whether another process has the file. notice: what was put aside or is missing, sentences, or empty."""

    connection: duckdb.DuckDBPyConnection
    rows: int
    file: tuple[int, int] | None = None
    trouble: str | None = None
    taken: bool = False
    notice: str = ""


def open_store(path: Path) -> Opened:
    """The file, or a store in memory where that cannot be. Raises nothing that a file can be blamed for."""
    said: list[str] = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection, rows = _connect(path, said)
        return Opened(connection, rows, number_of(path) or _GONE, notice=" ".join(said))
    except (duckdb.Error, OSError, _NewerFileError) as error:
        _log.warning("History is kept in memory only: %s", error)
        connection = duckdb.connect(":memory:", config=_CONFIG)
        _migrate(connection)
        taken = "Could not set lock" in str(error)
        return Opened(connection, 0, None, _reason(error, path), taken, " ".join(said))


def number_of(path: Path) -> tuple[int, int] | None:
    """What tells one file from another that has its name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect(path: Path, said: list[str]) -> tuple[duckdb.DuckDBPyConnection, int]:
    """The file's connection and how many rows it has."""
    acknowledged = Acknowledged(path)
    if path.is_file() and (log := bad_log(path)) is not None:
        said.append(_lost_log(put_aside(log)))
    copy, connection = LogCopy(path), None
    try:
        connection = duckdb.connect(str(path), config=_CONFIG)
        _migrate(connection)
        rows = probe(connection)
    except duckdb.Error as error:
        if connection is not None:
            with suppress(duckdb.Error):
                connection.close()
        copy.drop()
        if not is_damage(error) or not path.is_file():
            raise
        if "WAL" in str(error) and log_of(path).is_file():
            said.append(_lost_log(put_aside(log_of(path))))
            return _connect(path, said)
        return _instead(path, error, said)
    missing = acknowledged.read() - rows
    if missing > 0:
        aside = copy.keep()
        where = f" The log that should hold them was put aside as {aside.name}." if aside else ""
        said.append(f"{missing:,} rows that were written to the history are missing.{where}")
    copy.drop()
    acknowledged.write(rows)
    return connection, rows


def _instead(path: Path, error: Exception, said: list[str]) -> tuple[duckdb.DuckDBPyConnection, int]:
    """A new file in the place of a damaged one, with what could be read of that."""
    aside = put_store_aside(path)
    _log.warning("%s could not be read and was put aside as %s: %s", path.name, aside.name, error)
    Acknowledged(path).write(0)
    connection, rows = _connect(path, said)
    held: Held = readable_rows(aside, _CONFIG)
    kept = append_all(connection, held)
    over = f"{kept:,} rows of it could be read and were taken over" if kept else "nothing of it could be read"
    said.append(
        f"The history could not be read. The file was put aside as {aside.name}; nothing was deleted, and {over}."
    )
    Acknowledged(path).write(rows + kept)
    return connection, rows + kept


def _lost_log(aside: Path) -> str:
    _log.warning("The log of the history could not be read and was put aside as %s.", aside.name)
    return (
        f"The most recent part of the history could not be read. The file was put aside as {aside.name}; nothing was "
        "deleted."
    )


class _NewerFileError(Exception):
    """The file was written by a later version of this program."""


def _migrate(connection: duckdb.DuckDBPyConnection) -> None:
    """Apply the steps this file has not had yet, each whole or not at all."""
    connection.execute("create table if not exists migrations (number integer not null, made_at timestamp not null)")
    row = connection.execute("select coalesce(max(number), 0) from migrations").fetchone()
    done = int(row[0]) if row else 0
    if done > len(MIGRATIONS):
        connection.close()
        raise _NewerFileError(f"the file is at step {done}, this program knows {len(MIGRATIONS)}")
    for number in range(done + 1, len(MIGRATIONS) + 1):
        connection.execute("begin transaction")
        try:
            connection.execute(MIGRATIONS[number - 1])
            connection.execute("insert into migrations values (?, ?)", [number, datetime.now(UTC).replace(tzinfo=None)])
            connection.execute("commit")
        except BaseException:
            connection.execute("rollback")
            raise


def _reason(error: Exception, path: Path) -> str:
    if isinstance(error, _NewerFileError):
        return (
            f"{path.name} was written by a newer version of Hydrascope, so this version keeps its history in memory "
            "only. Update Hydrascope, or choose another folder with HYDRASCOPE_CACHE."
        )
    if "Could not set lock" in str(error):
        return (
            "Another Hydrascope process is writing the history, so this process keeps its history in memory only. "
            "Close the other process, and this one will write to the file."
        )
    return (
        f"The history file {path.name} cannot be opened, so history is kept in memory only. Check that its folder "
        "can be read and written."
    )
