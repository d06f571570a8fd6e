"""The DuckDB store: rows come back, nothing is lost, and no trouble with the file ever reaches a caller."""

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from cache.store import database as stores
from cache.store.database import Audit, Store, now, shared_store
from cache.store.migrations import MIGRATIONS

ROOT = Path(__file__).resolve().parents[3]


def audit(prompt: str = "How do I bake bread?", edits: str = "", seconds: int = 0) -> Audit:
    return Audit(
        made_at=now() + timedelta(seconds=seconds),
        model="tiny",
        revision="r1",
        dtype="float32",
        device="cpu",
        direction="abc",
        prompt=prompt,
        edits=edits,
        score_before=1.5,
        score_after=-2.0,
        p_before=0.8,
        p_after=0.1,
        kl=0.02,
        kl_prompts=32,
        verdict_before="refused",
        verdict_after="complied",
        tokens=32,
    )


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "deep" / "hydrascope.duckdb"


def in_another_process(code: str, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True)


def test_what_was_appended_comes_back_equal(path):
    store = Store(path)
    first, second = audit("a"), audit("b", "12-40=6@bos", 1)
    store.append(first)
    store.append(second)
    assert store.recent("tiny") == [second, first]
    assert store.recent("another model") == []
    store.close()
    assert Store(path).recent("tiny") == [second, first]


def test_text_is_kept_only_when_given_and_as_it_is(path):
    store = Store(path)
    odd = "'; drop table audits; -- \n<b>x</b> 😀 \x00"
    store.append(replace(audit(odd), answer_after=odd))
    (found,) = store.recent("tiny")
    assert (found.prompt, found.answer_before, found.answer_after) == (odd, None, odd)


def test_the_latest_of_a_prompt_and_edit_set_is_shown_and_all_are_kept(path):
    store = Store(path)
    for second in range(3):
        store.append(replace(audit("a", seconds=second), score_after=float(second)))
    store.append(audit("a", "12-40", seconds=1))
    assert [(row.edits, row.score_after) for row in store.recent("tiny")] == [("", 2.0), ("12-40", -2.0)]
    assert store.count() == 4


def test_the_number_of_recent_rows_is_bounded(path):
    store = Store(path)
    for number in range(5):
        store.append(audit(str(number), seconds=number))
    assert [row.prompt for row in store.recent("tiny", limit=2)] == ["4", "3"]


def test_named_sets_are_replaced_by_name_and_by_model(path):
    store = Store(path)
    store.save_set("tiny", "mine", "1-1")
    store.save_set("tiny", "mine", "1-2,1-3")
    store.save_set("other", "mine", "9-9")
    assert store.saved_sets("tiny") == {"mine": "1-2,1-3"}


def test_many_threads_append_at_once(path):
    store = Store(path)
    errors: list[Exception] = []

    def work(number: int) -> None:
        try:
            for step in range(10):
                store.append(audit(f"{number}-{step}"))
                store.recent("tiny")
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert store.count() == 80


def test_migrations_are_applied_once_and_in_order(path, monkeypatch):
    Store(path).close()
    monkeypatch.setattr(stores, "MIGRATIONS", (*MIGRATIONS, "alter table audits add column note varchar"))
    store = Store(path)
    assert store.trouble is None
    numbers = store._connection.execute("select number from migrations order by number").fetchall()
    assert numbers == [(number,) for number in range(1, len(MIGRATIONS) + 2)]


def test_a_failing_migration_leaves_the_file_as_it_was(path, monkeypatch):
    first = Store(path)
    first.append(audit())
    first.close()
    monkeypatch.setattr(
        stores, "MIGRATIONS", (*MIGRATIONS, "create table half (i int); select error('no') from audits")
    )
    assert Store(path).trouble
    monkeypatch.undo()
    store = Store(path)
    assert store.trouble is None and store.count() == 1
    assert not store._connection.execute("select * from information_schema.tables where table_name = 'half'").fetchall()


def test_a_file_of_a_newer_program_is_left_alone(path):
    Store(path).close()
    with duckdb.connect(str(path)) as connection:
        connection.execute("insert into migrations values (99, now()::timestamp)")
    before = path.read_bytes()
    store = Store(path)
    assert "newer" in store.trouble
    store.append(audit())
    assert len(store.recent("tiny")) == 1
    assert path.read_bytes() == before


HOLD = """
import sys
from pathlib import Path
from cache.store.database import Store
store = Store(Path(sys.argv[1]))
print(store.trouble or "writes", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_told_and_keeps_working_in_memory(path):
    store = Store(path)
    store.append(audit("first"))
    code = HOLD.replace("sys.stdin.read()", "") + (
        "from tests.cache.store.test_database import audit\n"
        "store.append(audit('second'))\n"
        "print([row.prompt for row in store.recent('tiny')])\n"
    )
    found = in_another_process(code, str(path))
    assert found.returncode == 0, found.stderr
    assert "Another Hydrascope process" in found.stdout and "['second']" in found.stdout
    assert store.count() == 1


def test_it_takes_over_when_the_other_process_ends(path, monkeypatch):
    monkeypatch.setattr(stores, "RETRY_AFTER", 0.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline().strip() == "writes"
    store = Store(path)
    assert store.trouble
    store.append(audit("meanwhile"))
    assert store.trouble, "the file is still held"
    holder.communicate("")
    store.append(audit("after", seconds=1))
    assert store.trouble is None
    store.close()
    assert [row.prompt for row in Store(path).recent("tiny")] == ["after", "meanwhile"]


def test_kill_9_after_an_append_loses_nothing(path):
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom cache.store.database import Store\n"
        "from tests.cache.store.test_database import audit\n"
        "store = Store(Path(sys.argv[1]))\nstore.append(audit('kept'))\nos.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert in_another_process(code, str(path)).returncode == -signal.SIGKILL
    assert [row.prompt for row in Store(path).recent("tiny")] == ["kept"]


def test_a_garbled_log_is_put_aside_and_said(path):
    Store(path).close()
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom cache.store.database import Store\n"
        "from tests.cache.store.test_database import audit\n"
        "store = Store(Path(sys.argv[1]))\nstore.append(audit('lost'))\nos.kill(os.getpid(), signal.SIGKILL)\n"
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
    store.append(audit("after"))
    assert [row.prompt for row in store.recent("tiny")] == ["after"]


def test_a_garbled_file_is_put_aside_and_said(path):
    path.parent.mkdir()
    path.write_bytes(os.urandom(5000))
    store = Store(path)
    assert store.trouble is None and "put aside" in store.notice
    store.append(audit())
    assert store.count() == 1


def test_a_folder_in_its_place_is_no_crash(path):
    path.mkdir(parents=True)
    store = Store(path)
    assert "cannot be opened" in store.trouble
    store.append(audit())
    assert store.count() == 1


def test_one_store_per_folder_and_process(tmp_path, monkeypatch):
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "one"))
    first = shared_store()
    assert shared_store() is first
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(tmp_path / "two"))
    assert shared_store() is not first
