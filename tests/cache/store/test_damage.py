"""Whatever happens to the store's file: what was acknowledged survives, what cannot be read is put aside and said."""

import os
import random
import shutil
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from cache.store import opening
from cache.store.audits import Audits
from cache.store.database import Store
from cache.store.runs import Runs
from core.errors import StoreError
from core.models.digest import Digests
from tests.cache.store.rows import ROOT, audit

KILLED = """
import os, signal, sys
from pathlib import Path
from cache.store.audits import Audits
from cache.store.database import Store
from tests.cache.store.rows import audit
store = Store(Path(sys.argv[1]))
for number in range(3):
    Audits(store).append(audit(f"logged {number}"))
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "store" / "hydrascope.duckdb"


def filled(path, rows=40):
    store = Store(path)
    for number in range(rows):
        Audits(store).append(audit(f"prompt {number} " + random.Random(number).randbytes(200).hex()))
    store.close()
    return path.stat().st_size


def asides(path, ending=".duckdb.aside-"):
    return [file for file in path.parent.iterdir() if ending in file.name]


@pytest.mark.parametrize("length", [0, 1, 4096, 12288, 0.5, -4096, -1])
def test_a_truncated_file_is_put_aside_and_said(path, length):
    size = filled(path)
    cut = int(size * length) if isinstance(length, float) else length % size if length < 0 else length
    os.truncate(path, cut)
    store = Store(path)
    assert store.trouble is None
    if length in (-4096, -1) and Audits(store).count() == 40:
        return  # nothing stood there
    assert "put aside" in store.notice and [aside.stat().st_size for aside in asides(path)] == [cut]
    Audits(store).append(audit("after"))
    store.close()
    assert Audits(Store(path)).all("tiny")[0].prompt == "after"


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_byte_or_a_zeroed_block_is_never_read_as_something_else(path, seed):
    size, chance = filled(path), random.Random(seed)
    before = {row.prompt for row in Audits(Store(path)).all("tiny")}
    data = bytearray(path.read_bytes())
    at = chance.randrange(size)
    if seed % 2:
        data[at] ^= 0xFF
    else:
        at -= at % 4096
        data[at : at + 4096] = bytes(4096)
    shutil.rmtree(path.parent)
    path.parent.mkdir()
    path.write_bytes(data)
    store = Store(path)
    found = {row.prompt for row in Audits(store).all("tiny")}
    assert found <= before and store.trouble is None
    assert (found == before) or (store.notice and asides(path)), "lost in silence"


def test_of_a_damaged_file_the_tables_that_can_be_read_are_taken_over(path):
    filled(path)
    with_sets = Store(path)
    Audits(with_sets).save_set("tiny", Digests("w", {}), "mine", "12-40")
    with_sets.close()
    data = path.read_bytes()
    at = data.index(b"prompt 7 ")
    path.write_bytes(data[:at] + b"PROMPT 7 " + data[at + 9 :])
    store = Store(path)
    assert "rows of it could be read and were taken over" in store.notice
    assert [one.edits for one in Audits(store).saved_sets("tiny")] == ["12-40"] and Audits(store).count() == 0


def killed_while_writing(path):
    found = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == -signal.SIGKILL, found.stderr
    return path.with_name(path.name + ".wal")


@pytest.mark.parametrize("damage", ["random", "zeros", "shorter", "gone"])
def test_a_log_that_lost_rows_is_put_aside_and_said(path, damage):
    filled(path, 5)
    log = killed_while_writing(path)
    data = log.read_bytes()
    bad = {"random": random.Random(1).randbytes(500), "zeros": bytes(len(data)), "shorter": data[: len(data) // 2]}
    log.unlink() if damage == "gone" else log.write_bytes(bad[damage])
    store = Store(path)
    left = Audits(store).count()
    assert 5 <= left < 8 and store.trouble is None and f"{8 - left} rows that were written" in store.notice
    if damage != "gone":
        assert bad[damage] in [file.read_bytes() for file in path.parent.iterdir() if ".aside-" in file.name]
    store.close()
    assert Store(path).notice is None, "said once"


def test_a_good_log_is_replayed_and_nothing_is_said(path):
    filled(path, 5)
    killed_while_writing(path)
    store = Store(path)
    assert Audits(store).count() == 8 and store.notice is None
    assert not [file for file in path.parent.iterdir() if ".aside-" in file.name or ".before" in file.name]


@pytest.mark.parametrize("what", ["folder", "file", "log", "replaced"])
def test_what_is_deleted_under_an_open_store_is_written_again(path, what):
    store = Store(path)
    Audits(store).append(audit("before"))
    if what == "folder":
        shutil.rmtree(path.parent)
    elif what == "file":
        path.unlink()
    elif what == "log":
        path.with_name(path.name + ".wal").unlink()
    else:
        path.unlink()
        path.write_bytes(b"another file")
    Audits(store).append(audit("after"))
    copy = path.parent.with_name("copy")
    shutil.copytree(path.parent, copy)  # what a kill would leave
    assert {row.prompt for row in Audits(Store(copy / path.name)).all("tiny")} == {"before", "after"}
    assert store.trouble is None and (store.notice is not None) is (what != "log")
    store.close()
    assert Audits(Store(path)).count() == 2


def test_what_is_deleted_last_is_written_again_when_the_store_closes(path):
    store = Store(path)
    Audits(store).append(audit("kept"))
    shutil.rmtree(path.parent)
    store.close()
    assert Audits(Store(path)).count() == 1


def test_what_is_deleted_as_soon_as_it_is_open_is_written_again(path, monkeypatch):
    def gone(place):
        shutil.rmtree(place.parent)

    monkeypatch.setattr(opening, "number_of", gone)
    store = Store(path)
    monkeypatch.undo()
    Audits(store).append(audit("kept"))
    assert "deleted while it was in use" in str(store.notice)
    store.close()
    assert Audits(Store(path)).count() == 1


def test_a_folder_that_cannot_be_made_again_stops_the_one_who_writes(path):
    store = Store(path)
    Audits(store).append(audit("before"))
    shutil.rmtree(path.parent)
    path.parent.write_text("a file in the place of the folder")
    with pytest.raises(StoreError, match="was deleted while it was in use"):
        Audits(store).append(audit("after"))
    assert Audits(store).count() == 2, "nothing that is shown is gone"


def test_a_full_disk_is_one_sentence_and_what_was_kept_stays(path):
    """The system refuses to let files grow further, as a full disk does."""
    code = """
import resource, signal, sys
from pathlib import Path
from cache.store.audits import Audits
from cache.store.database import Store
from core.errors import StoreError
from core.models.digest import Digests
from tests.cache.store.rows import audit
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
store, kept = Store(path), 0
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 200_000, resource.RLIM_INFINITY))
for number in range(400):
    try:
        Audits(store).append(audit("x" * 20_000 + str(number)))
        kept += 1
    except StoreError as error:
        print(kept, error)
        break
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
Audits(store).append(audit("there is room again"))
print(Audits(store).count())
"""
    found = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    first, last = found.stdout.splitlines()
    kept = int(first.split()[0])
    assert 0 < kept < 400 and "could not be kept in hydrascope.duckdb" in first and int(last) == kept + 1
    assert Audits(Store(path)).count() == kept + 1


def test_rows_are_ordered_as_they_were_appended_whatever_the_clock_said(path):
    store = Store(path)
    Audits(store).append(audit("first", seconds=100))
    Audits(store).append(audit("second", seconds=0))
    assert [row.prompt for row in Audits(store).recent("tiny")] == ["second", "first"]
    assert [row.prompt for row in Audits(store).all("tiny")] == ["second", "first"]
    late, early = datetime(2030, 1, 1), datetime(2020, 1, 1)
    store.insert("run_states", [(late, "a run", "running", "")])
    store.insert("run_states", [(early, "a run", "finished", "")])
    assert store.rows("select state from latest_run_states where run = 'a run'") == [("finished",)]
    store.insert("saved_sets", [(late, "tiny", "mine", "12-1", "", ""), (early, "tiny", "mine", "12-2", "", "")])
    assert [one.edits for one in Audits(store).saved_sets("tiny")] == ["12-2"]
    assert not Runs(store).all()
