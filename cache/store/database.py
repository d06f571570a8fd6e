"""The store itself: one DuckDB file, opened, migrated and shared by every thread of this process.

Knows: rows, migrations, what can go wrong with a file. Does not know: what any table means (one module a group of
tables does), models, pages. DuckDB lets one process write at a time. Another process, or a file that cannot be opened,
gets a store in memory and one sentence in `trouble` to show; a page never crashes over it. Nothing is ever deleted: a
write-ahead log or a file that cannot be read is renamed and left beside the new one, and said in `notice`. What was
acknowledged is on disk: where that cannot be, `insert` raises StoreError.
"""

from __future__ import annotations

import atexit
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from cache.store.damage import Acknowledged, is_damage, log_of, put_store_aside
from cache.store.opening import number_of, open_store
from cache.store.whole_tables import Held, all_rows, append_all, append_rows
from core.errors import StoreError
from core.text.reasons import reason_of

FILE = "hydrascope.duckdb"
#: Seconds between two tries to open a file that another process holds.
RETRY_AFTER = 15.0


def now() -> datetime:
    """The time a row is stamped with, for people to read. Rows are ordered by their places: clocks are set back."""
    return datetime.now(UTC).replace(tzinfo=None)


class Store:
    """One file, one connection, one cursor per call. Safe to share between threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        #: Why nothing is being kept on disk, as a sentence to show; None when all is well.
        self.trouble: str | None = None
        #: Whether that is because another process has the file.
        self.taken = False
        #: What was put aside or is missing, sentences to show; None when nothing is.
        self.notice: str | None = None
        # Protects `_connection` while it changes, and what is known of its file; a cursor's own work needs no lock.
        self._lock = threading.RLock()
        self._tried = time.monotonic()
        self._acknowledged, self._rows = Acknowledged(path), 0
        #: Device and number of the file that is open; None for a store in memory.
        self._file: tuple[int, int] | None = None
        self._connection = self._open()

    def insert(self, table: str, rows: Sequence[Sequence[object]]) -> None:
        """Append whole rows, in one transaction: all of them are on disk afterwards, or none. Raises StoreError."""
        if not rows:
            return
        cursor = self._cursor()
        try:
            cursor.begin()
            append_rows(cursor, table, rows)
            cursor.commit()
        except BaseException as error:
            with suppress(duckdb.Error):  # what failed may have ended the transaction already
                cursor.rollback()
            if isinstance(error, duckdb.Error | OSError) and _is_trouble(error):
                self._after_failure()
                raise StoreError(_not_kept(error, self.path)) from error
            raise
        with self._lock:
            self._rows += len(rows)
            self._stay_in_place()
            if self._file is not None:
                self._acknowledged.write(self._rows)

    def rows(self, query: str, parameters: Sequence[object] = ()) -> list[tuple]:
        """The rows a query finds. Raises StoreError where the file can no longer be read."""
        try:
            return self._cursor().execute(query, list(parameters)).fetchall()
        except duckdb.Error as error:
            if is_damage(error):
                raise StoreError(
                    f"The history file {self.path.name} can no longer be read ({reason_of(error)}). Start Hydrascope "
                    "again: it puts the file aside and takes over what can be read."
                ) from error
            raise

    def close(self) -> None:
        """Write everything out and let the file go."""
        with self._lock:
            with suppress(StoreError):
                self._stay_in_place()
            with suppress(duckdb.Error):  # a full disk: the log keeps what the file has no room for
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
        self._take_over(found, all_rows(memory))
        self._connection = found

    def _stay_in_place(self) -> None:
        """Where the file was deleted or replaced while it is open, write all of it there again. Raises StoreError.

        A deleted file goes on taking rows until it is closed, and then they are gone. Called with the lock held.
        """
        if self._file is None:
            return
        if self._file == number_of(self.path):
            if not log_of(self.path).exists():
                with suppress(duckdb.Error):  # nothing to do, unless the log alone was deleted
                    self._connection.cursor().execute("checkpoint")
            return
        held = all_rows(self._connection)
        self._connection.close()  # first: DuckDB would give the open file again
        aside = put_store_aside(self.path) if self.path.is_file() else None
        self._acknowledged.write(0)
        self._connection = self._open()
        self._take_over(self._connection, held)
        if self.trouble:
            raise StoreError(f"The history file {self.path.name} was deleted while it was in use. {self.trouble}")
        was = f"replaced by another, which was put aside as {aside.name}" if aside else "deleted"
        self._say(f"The history file was {was} while it was in use. All of it was written again.")

    def _after_failure(self) -> None:
        """Open the file again where a failure made DuckDB give it up; what was acknowledged is in it or in its log."""
        with self._lock:
            try:
                self._connection.cursor().execute("select 1 from migrations limit 1").fetchall()
            except duckdb.Error:
                with suppress(duckdb.Error):
                    self._connection.close()
                self._connection = self._open()

    def _take_over(self, connection: duckdb.DuckDBPyConnection, held: Held) -> None:
        self._rows += append_all(connection, held)
        if self._file is not None:
            self._acknowledged.write(self._rows)

    def _open(self) -> duckdb.DuckDBPyConnection:
        opened = open_store(self.path)
        self._rows, self._file = opened.rows, opened.file
        self.trouble, self.taken = opened.trouble, opened.taken
        if opened.notice:
            self._say(opened.notice)
        return opened.connection

    def _say(self, sentence: str) -> None:
        self.notice = f"{self.notice} {sentence}" if self.notice else sentence


def _is_trouble(error: Exception) -> bool:
    """Whether a failed write is the disk's or the file's trouble, and not a mistake in what was to be written."""
    kinds = (OSError, duckdb.IOException, duckdb.FatalException, duckdb.InternalException, duckdb.TransactionException)
    return isinstance(error, kinds) or type(error) is duckdb.Error


def _not_kept(error: Exception, path: Path) -> str:
    text = str(error)
    if "No space left" in text or "Disk quota" in text:
        return (
            f"The disk is full, so the results could not be kept in {path.name}. What was kept before is safe. Free "
            "some space and go on."
        )
    return (
        f"The results could not be kept in {path.name} ({reason_of(error)}). What was kept before is safe. Check the "
        "disk and its folder, and go on."
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
