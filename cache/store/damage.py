"""A store's file that cannot be read: told apart from other trouble, put aside, and what can be read of it taken over.

Knows: how DuckDB says that a file is damaged, its write-ahead log, and how many rows were acknowledged. Does not know:
what any table means. DuckDB takes a log that it cannot read for one that was cut off, and goes on without a word; so
how many rows there must be is written down beside the file.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import duckdb

from cache.store.migrations import TABLES
from cache.store.whole_tables import Held, all_rows
from core.kept_files import put_aside

#: How every write-ahead log of DuckDB begins.
_LOG_BEGINS = b"\x64\x00\x62"
#: What DuckDB says where the file is not to blame.
_NOT_DAMAGE = (
    "Could not set lock",
    "Conflicting lock",
    "Permission denied",
    "Is a directory",
    "Not a directory",
    "No space left",
    "File too large",
    "Disk quota",
    "Read-only file system",
    "Too many open files",
    "Cannot allocate memory",
    "version number",
    "newer version",
    "unique file handle",
)


def log_of(path: Path) -> Path:
    """The write-ahead log of a store."""
    return path.with_name(path.name + ".wal")


def is_damage(error: Exception) -> bool:
    """Whether an error of DuckDB means that the file, or its log, is not what was written."""
    known = isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.InternalException)
    known = known or isinstance(error, duckdb.SerializationException) or type(error) is duckdb.Error
    return known and not any(words in str(error) for words in _NOT_DAMAGE)


def bad_log(path: Path) -> Path | None:
    """The store's log, where it is none that DuckDB wrote; it would be passed over without a word."""
    log = log_of(path)
    with suppress(OSError):
        with log.open("rb") as file:
            beginning = file.read(len(_LOG_BEGINS))
        return log if beginning and beginning != _LOG_BEGINS else None
    return None


def probe(connection: duckdb.DuckDBPyConnection) -> int:
    """Read every row of every table; how many there are. Raises duckdb.Error where one cannot be read."""
    total = 0
    for table in TABLES:
        row = connection.execute(f"select count(*), bit_xor(hash(t)) from {table} t").fetchone()
        total += int(row[0]) if row else 0
    return total


class Acknowledged:
    """How many rows a store must have, in a small file beside it. Fewer than these is a loss; more is none."""

    def __init__(self, store: Path) -> None:
        self._path = store.with_name(store.name + ".rows")

    def read(self) -> int:
        """0 where nothing is known."""
        try:
            return int(self._path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return 0

    def write(self, rows: int) -> None:
        """Without waiting for the disk: one that is behind tells of no loss that is none."""
        with suppress(OSError):
            self._path.write_text(str(rows), encoding="ascii")


class LogCopy:
    """A copy of the log as it was before the store was opened, which consumes it; kept only where rows are missing."""

    def __init__(self, path: Path) -> None:
        self._copy: Path | None = None
        log = log_of(path)
        with suppress(OSError):
            if log.stat().st_size:
                self._copy = log.with_name(f"{log.name}.before")
                shutil.copyfile(log, self._copy)

    def drop(self) -> None:
        """All rows are there."""
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)

    def keep(self) -> Path | None:
        """Rows are missing: the copy under a name with the time; None where there was no log."""
        return None if self._copy is None or not self._copy.is_file() else put_aside(self._copy)


def put_store_aside(path: Path) -> Path:
    """Rename a store and its log, so that they still belong together."""
    aside = put_aside(path)
    with suppress(FileNotFoundError):
        log_of(path).rename(log_of(aside))
    return aside


def readable_rows(aside: Path, config: dict[str, str | bool | int | float | list[str]]) -> Held:
    """The rows of those tables of a damaged store that can still be read whole."""
    found: Held = {}
    copy = aside.with_name(f"{aside.name}.reading")  # what was put aside stays as it is
    try:
        shutil.copyfile(aside, copy)
        with suppress(FileNotFoundError):
            shutil.copyfile(log_of(aside), log_of(copy))
        with duckdb.connect(str(copy), config=config) as connection:
            for table in TABLES:
                with suppress(duckdb.Error):
                    found |= all_rows(connection, (table,))
    except (duckdb.Error, OSError):
        pass
    finally:
        for file in (copy, log_of(copy)):
            with suppress(OSError):
                file.unlink(missing_ok=True)
    return found
