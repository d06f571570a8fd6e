"""The DuckDB store: rows come back, nothing is lost, and no trouble with the file ever reaches a caller."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import duckdb
import pytest

from cache.store import database as stores
from cache.store import opening
from cache.store.audits import Audits
from cache.store.database import Store, shared_store
from cache.store.migrations import MIGRATIONS
from tests.cache.store.rows import HOLD, ROOT, audit


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "deep" / "hydrascope.duckdb"


def in_another_process(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_many_threads_append_at_once(path):
    store = Store(path)
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                Audits(store).append(audit(f"{number}-{step}"))
                Audits(store).recent("tiny")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert Audits(store).count() == 80


def test_migrations_are_applied_once_and_in_order(path, monkeypatch):
    Store(path).close()
    monkeypatch.setattr(opening, "MIGRATIONS", (*MIGRATIONS, "alter table audits add column note varchar"))
    store = Store(path)
    assert store.trouble is None
    numbers = store.rows("select number from migrations order by number")
    assert numbers == [(number,) for number in range(1, len(MIGRATIONS) + 2)]


def test_a_failing_migration_leaves_the_file_as_it_was(path, monkeypatch):
    first = Store(path)
    Audits(first).append(audit())
    first.close()
    monkeypatch.setattr(
        opening, "MIGRATIONS", (*MIGRATIONS, "create table half (i int); select error('no') from audits")
    )
    assert Store(path).trouble
    monkeypatch.undo()
    store = Store(path)
    assert store.trouble is None and Audits(store).count() == 1
    assert not store.rows("select * from information_schema.tables where table_name = 'half'")


def test_a_file_of_a_newer_program_is_left_alone(path):
    Store(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into migrations values (99, now()::timestamp)")
    before = path.read_bytes()
    store = Store(path)
    assert "newer" in store.trouble
    Audits(store).append(audit())
    assert len(Audits(store).recent("tiny")) == 1
    assert path.read_bytes() == before


def test_a_second_process_is_told_and_keeps_working_in_memory(path):
    store = Store(path)
    Audits(store).append(audit("first"))
    code = HOLD.replace("sys.stdin.read()", "from cache.store.audits import Audits") + (
        "from tests.cache.store.rows import audit\n"
        "Audits(store).append(audit('second'))\n"
        "print([row.prompt for row in Audits(store).recent('tiny')])\n"
    )
    found = in_another_process(code, str(path))
    assert found.returncode == 0, found.stderr
    assert "Another Hydrascope process" in found.stdout and "['second']" in found.stdout
    assert Audits(store).count() == 1


def test_it_takes_over_when_the_other_process_ends(path, monkeypatch):
    monkeypatch.setattr(stores, "RETRY_AFTER", 0.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline().strip() == "writes"
    store = Store(path)
    assert store.trouble
    Audits(store).append(audit("meanwhile"))
    assert store.trouble, "the file is still held"
    holder.communicate("")
    Audits(store).append(audit("after", seconds=1))
    assert store.trouble is None
    store.close()
    assert [row.prompt for row in Audits(Store(path)).recent("tiny")] == ["after", "meanwhile"]


def test_kill_9_after_an_append_loses_nothing(path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from cache.store.audits import Audits\nfrom cache.store.database import Store\n"
        "from tests.cache.store.rows import audit\n"
        "store = Store(Path(sys.argv[1]))\nAudits(store).append(audit('kept'))\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert in_another_process(code, str(path)).returncode == -signal.SIGKILL
    assert [row.prompt for row in Audits(Store(path)).recent("tiny")] == ["kept"]


def test_a_garbled_log_is_put_aside_and_said(path):
    Store(path).close()
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from cache.store.audits import Audits\nfrom cache.store.database import Store\n"
        "from tests.cache.store.rows import audit\n"
        "store = Store(Path(sys.argv[1]))\nAudits(store).append(audit('lost'))\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    in_another_process(code, str(path))
    log = path.with_name(path.name + ".wal")
    data = bytearray(log.read_bytes())
    for place in range(16, min(len(data), 64)):
        data[place] ^= 0xFF
    log.write_bytes(bytes(data))
    store = Store(path)
    assert store.trouble is None
    aside = [file for file in path.parent.iterdir() if ".aside-" in file.name]
    assert len(aside) == 1 and aside[0].read_bytes() == bytes(data)
    assert aside[0].name in store.notice
    Audits(store).append(audit("after"))
    assert [row.prompt for row in Audits(store).recent("tiny")] == ["after"]


def test_a_garbled_file_is_put_aside_and_said(path):
    path.parent.mkdir()
    path.write_bytes(os.urandom(5000))
    store = Store(path)
    assert store.trouble is None and "put aside" in store.notice
    Audits(store).append(audit())
    assert Audits(store).count() == 1


def test_a_folder_in_its_place_is_no_crash(path):
    path.mkdir(parents=True)
    store = Store(path)
    assert "cannot be opened" in store.trouble
    Audits(store).append(audit())
    assert Audits(store).count() == 1


def test_one_store_per_folder_and_process(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "one"))
    first = shared_store()
    assert shared_store() is first
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "two"))
    assert shared_store() is not first
