"""The store itself: one DuckDB file, opened, migrated and shared by every thread of this process.

Knows: rows, migrations, what can go wrong with a file. Does not know: what any table means (one module a group of
tables does), models, pages. DuckDB lets one process write at a time. Another process, or a file that cannot be opened,
gets a store in memory and one sentence in `trouble` to show; a page never crashes over it. Nothing is ever deleted: a
write-ahead log or a file that cannot be read is renamed and left beside the new one.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from cache.store.migrations import MIGRATIONS, TABLES
from core.kept_files import put_aside

FILE = "hydrascope.duckdb"
#: Seconds between two tries to open a file that another process holds.
RETRY_AFTER = 15.0
#: Rows of one statement.
STATEMENT = 100
# DuckDB would otherwise fetch extensions over the network, and take every core.
_CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "threads": 1,
}
_log = logging.getLogger("hydrascope.store")


def now() -> datetime:
    """The time a row is stamped with."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """One file, one connection, one cursor per call. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Why nothing is being kept on disk, as a sentence to show; None when all is well.
        self.trouble: str | None = None
        #: Which unreadable file was renamed while opening, as a sentence to show; None when none was.
        self.notice: str | None = None
        # Protects `_connection` while it changes from memory to the file; a cursor's own work needs no lock.
        self._lock = threading.Lock()
        self._tried = time.monotonic()
        self._connection = self._open()

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Append whole rows, in one transaction: all of them are on disk afterwards, or none."""
        if not rows:
            return
        cursor = self._cursor()
        cursor.begin()
        try:
            _append(cursor, table, rows)
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple]:
        """The rows a query finds."""
        return self._cursor().execute(query, list(parameters)).fetchall()

    def close(self) -> None:
        """Write everything out and let the file go."""
        with self._lock:
            self._connection.close()

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self.trouble and time.monotonic() - self._tried > RETRY_AFTER:
                self._tried = time.monotonic()
                self._move_to_file()
            return self._connection.cursor()

    def _move_to_file(self) -> None:
        """Try the file again; what was appended in memory meanwhile is appended there."""
        memory, self.trouble = self._connection, None
        found = self._open()
        if self.trouble:
            found.close()
            return
        for table in TABLES:
            rows = memory.execute(f"select * from {table}").fetchall()
            _append(found, table, rows)
        self._connection = found

    def _open(self) -> duckdb.DuckDBPyConnection:
        """The file, with every migration applied; or a store in memory, with the reason in `trouble`."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = self._connect()
            _migrate(connection)
            return connection
        except (duckdb.Error, OSError, _NewerFileError) as error:
            self.trouble = _reason(error, self.path)
            _log.warning("History is kept in memory only: %s", error)
            connection = duckdb.connect(":memory:", config=_CONFIG)
            _migrate(connection)
            return connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        try:
            return duckdb.connect(str(self.path), config=_CONFIG)
        except duckdb.Error as error:
            unreadable = self._unreadable(error)
            if unreadable is None:
                raise
            aside = put_aside(unreadable)
            _log.warning("%s could not be read and was put aside as %s: %s", unreadable.name, aside.name, error)
            what = "The most recent part of the history" if unreadable.suffix == ".wal" else "The history"
            self.notice = f"{what} could not be read. The file was put aside as {aside.name}; nothing was deleted."
            return self._connect()

    def _unreadable(self, error: duckdb.Error) -> Path | None:
        """The file to put aside: the write-ahead log, the store itself, or none where another process holds it."""
        text, log = str(error), self.path.with_name(self.path.name + ".wal")
        if "WAL" in text and "lock" not in text and log.is_file():
            return log
        if "not a valid DuckDB database" in text and self.path.is_file():
            return self.path
        return None


class _NewerFileError(Exception):
    """The file was written by a later version of this program."""


def _append(cursor: duckdb.DuckDBPyConnection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Many rows a statement: DuckDB takes as long for a statement of one row as for one of a hundred."""
    for start in range(0, len(rows), STATEMENT):
        part = rows[start : start + STATEMENT]
        one = f"({', '.join('?' for _ in part[0])})"
        values = [value for row in part for value in row]
        cursor.execute(f"insert into {table} values {', '.join([one] * len(part))}", values)


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
            connection.execute("insert into migrations values (?, ?)", [number, now()])
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


# Protects `_stores`: without it two first visitors would each open the file.
_stores_lock = threading.Lock()
_stores: dict[Path, Store] = {}


def shared_store() -> Store:
    """This process's one store in the cache folder, opened on first use."""
    from core.paths import cache_folder  # `core` brings torch along, which a store by itself does not need

    path = cache_folder() / FILE
    with _stores_lock:
        if path not in _stores:
            _stores[path] = Store(path)
        return _stores[path]


@atexit.register
def close_all() -> None:
    """Write every shared store out and let its file go; the next `shared_store()` opens it again."""
    with _stores_lock:
        while _stores:
            _stores.popitem()[1].close()
