"""A full disk, a folder that cannot be written to or is deleted, a clock set back, two at once: whatever writes ends
with what it promised, or in one sentence; and once the trouble is over, another try ends as if nothing had happened.
"""

import ctypes
import os
import random
import resource
import shutil
import signal
import threading
import time
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from tests.adversity.broken_off import Ended, carry_out
from tests.adversity.report import note
from tests.adversity.writers import WRITERS, Place, make_place

#: Typed errors: each message is one sentence that people are shown.
TYPED = {"InputError", "AssetError", "DownloadError", "StoreError"}
QUICK = ("own models", "the store")
#: Whose results would be gone with the folder, so that it must notice. Each of the own models is an act of its own, and
#: records are packed again whenever they are missing.
NOTICE = ("a search", "converting a model", "judging", "training SAEs", "the store")
SIZES = (0, 4096, 20_000, 200_000)
ROUNDS = 12
#: Seconds in which a store is closed, at most.
CLOSING = 0.1


@pytest.fixture
def place(tiny_spec, files, tmp_path):
    """place(name): a cache folder of that name."""

    def made(name) -> Place:
        return make_place(tiny_spec, tmp_path / name, files)

    return made


def full(size: int, where: Place) -> None:
    """No file can grow beyond this: EFBIG, as a full disk is ENOSPC. A mount would need a right that tests may lack."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def read_only(where: Place) -> None:
    """Nothing can be made in any folder there; root too, once it has put its rights away."""
    for folder in (where.cache, *(path for path in where.cache.rglob("*") if path.is_dir())):
        folder.chmod(0o555)
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if os.geteuid() == 0 and ctypes.CDLL(None).capset(header, none):
        raise OSError("the rights of root could not be put away")


def writable(where: Place) -> None:
    if not where.cache.exists():  # it was what was deleted
        return
    for folder in (where.cache, *(path for path in where.cache.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


def deleted_soon(seconds: float, where: Place) -> None:
    """The cache folder is deleted under the work; a file beside it says that this begins, and when it was over."""

    def delete() -> None:
        with _mark(where).open("w") as mark:
            shutil.rmtree(where.cache, ignore_errors=True)
            mark.write(str(time.monotonic()))

    timer = threading.Timer(seconds, delete)
    timer.daemon = True
    timer.start()


def _mark(where: Place) -> Path:
    return where.cache.with_name(f"{where.cache.name}.deleted")


def too_late(ended: Ended, where: Place) -> bool:
    """Whether the folder was deleted when the work was over, or about to be: that it cannot notice."""
    return _mark(where).exists() and float(_mark(where).read_text() or "inf") > ended.at - CLOSING


def set_back(seconds: float, where: Place) -> None:
    """The store's clock is a year behind from then on, as after a flat battery."""
    from cache.store import database, judgements, new_run, runs

    now = database.now

    def turn() -> None:
        for module in (database, judgements, new_run, runs):
            module.now = lambda: now() - timedelta(days=365)

    timer = threading.Timer(seconds, turn)
    timer.daemon = True
    timer.start()


def trouble(name, place, fault, number, right):
    """What went wrong with the work under a fault, and with another try after it; empty where nothing did, None where
    the fault came when the work was over."""
    where, writer = place(f"{name} {number}"), WRITERS[name]
    ended = carry_out(name, where, fault=fault)
    writable(where)
    said = ended.error
    if said and (said[0] not in TYPED or "\n" in said[1]):
        return f"no sentence: {said}"
    if ended.exit == 0 and writer.found(where) != right:
        return None if too_late(ended, where) else "it said that it was done, and it was not"
    if ended.exit not in (0, 1):
        return f"it ended with {ended.exit}"
    if where.cache.exists() and set(ended.kept) - writer.acknowledged(where):
        return "what was kept is lost"
    again = carry_out(name, where)
    if again.exit or writer.found(where) != right:
        return f"another try: {again.error or 'other results'}, after {said}"
    return ""


def undisturbed(name, place):
    whole = place(f"{name} whole")
    ended = carry_out(name, whole)
    assert ended.exit == 0, ended.error
    return ended, WRITERS[name].found(whole)


def faults(name, seconds, sizes, rounds):
    for size in sizes:
        yield f"a full disk, files up to {size:,} bytes", partial(full, size)
    yield "a folder that cannot be written to", read_only
    for number in range(rounds if name in NOTICE else 0):
        after = random.Random(number).uniform(0.1, 0.8) * seconds
        yield f"the folder deleted after {after:.2f} s", partial(deleted_soon, after)
    yield "a clock set back", partial(set_back, seconds / 2)


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_of_the_disk_is_one_sentence_and_over_when_it_is_over(name, place):
    ended, right = undisturbed(name, place)
    count, wrong = tried(name, place, faults(name, ended.seconds, SIZES[1:2], 1), right)
    assert count and not wrong


def tried(name, place, faults, right):
    """(how many faults came in time, what went wrong)."""
    wrong, count = {}, 0
    for number, (what, fault) in enumerate(faults):
        said = trouble(name, place, fault, number, right)
        count += said is not None
        if said:
            wrong[what] = said
    return count, wrong


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", WRITERS)
def test_every_fault_of_the_disk(name, place):
    begin, (ended, right) = time.monotonic(), undisturbed(name, place)
    count, wrong = tried(name, place, faults(name, ended.seconds, SIZES, ROUNDS), right)
    note(
        f"Full disk, read-only, folder deleted, clock set back: {name}", f"{count} faults", len(wrong),
        time.monotonic() - begin,
    )  # fmt: skip
    assert not wrong


@pytest.mark.parametrize(
    "name", ["own models", *(pytest.param(name, marks=pytest.mark.soak) for name in WRITERS if name != "own models")]
)
def test_two_at_once_end_as_one(name, place):
    """The second ends as the first, or says in a sentence that another has it; then another try ends as one."""
    (_, right), where = undisturbed(name, place), place("shared")
    ends = []
    threads = [threading.Thread(target=lambda: ends.append(carry_out(name, where))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(end.error is None or end.error[0] in TYPED for end in ends), ends
    assert any(end.exit == 0 for end in ends), ends
    again = carry_out(name, where)
    assert again.exit == 0 and WRITERS[name].found(where) == right, again.error
