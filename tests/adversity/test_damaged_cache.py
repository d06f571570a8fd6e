"""A power cut, a bad disk, a hand that slipped: any file of the cache is empty, cut off or full of other bytes.

Every command that reads it prints what it printed before, or says in one sentence what is wrong; the next one too.
"""

import random
import time
from itertools import product
from pathlib import Path

import pytest

from cache.store.database import FILE
from tests.adversity.kept_cache import another, fill, register, run, served
from tests.adversity.report import note

BLOCK = 4096


def empty(data: bytes) -> bytes:
    return b""


def one_block(data: bytes) -> bytes:
    """What a file system may leave that wrote the first block only; half of a file that is shorter."""
    return data[:BLOCK] if len(data) > BLOCK else data[: len(data) // 2]


def zeros(data: bytes) -> bytes:
    return bytes(len(data))


def garbled(data: bytes) -> bytes:
    chance = random.Random(len(data))
    found = bytearray(data)
    for _ in range(max(1, len(found) // 200)):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def other(data: bytes) -> bytes:
    """Good JSON of another shape."""
    return b'{"format": [1], "models": 3, "header": "x", "layers": {}, "key": 7, "metadata": []}'


DAMAGES = (empty, one_block, zeros, garbled, other)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("files")


@pytest.fixture(scope="module")
def kept(tmp_path_factory, files, tiny_spec):
    """(a cache folder with one of everything, the commands that read it)."""
    patch = pytest.MonkeyPatch()
    cache = tmp_path_factory.mktemp("kept")
    patch.setenv("HYDRASCOPE_CACHE", str(cache))
    try:
        with served(cache, files, patch):
            yield cache, fill(cache, files, tiny_spec, patch)
    finally:
        patch.undo()


def readers(commands, place: Path) -> list[str]:
    return [name for name in commands if name.partition(" ")[0] == place.parts[0]]


def is_one_sentence(said) -> bool:
    lines = said.err.strip().splitlines()
    return said.code in (2, 3) and bool(lines) and lines[-1].endswith(".") and "Traceback" not in said.err


def tried(kept, files, spec, tmp_path, monkeypatch, choose):
    """(how many damages were tried, what went wrong). choose: (damage, command) of a file and the names of the
    commands that read it. Each has a damaged cache of its own: the first command that meets it may mend it."""
    cache, commands = kept
    monkeypatch.setenv("HYDRASCOPE_CACHE", str(cache))
    monkeypatch.setenv("HF_HOME", str(cache / "hub"))
    register(spec, files)
    places = sorted(path.relative_to(cache) for path in cache.rglob("*") if path.is_file() and not path.is_symlink())
    chosen = [(place, choose(place, readers(commands, place))) for place in places if place.suffix != ".lock"]
    another(cache, tmp_path / "good")
    right = {name: run(commands[name]) for name in commands}
    count, wrong = 0, []
    for place, pairs in chosen:
        for damage, name in pairs:
            target = another(cache, tmp_path / "damaged")
            (target / place).write_bytes(damage((target / place).read_bytes()))
            told = False
            for again in ("at first", "again"):
                try:
                    said = run(commands[name])
                    fine = told or is_one_sentence(said) or same(said, right[name])
                    told = ".aside-" in said.err  # what is lost is told once
                except Exception as error:
                    said, fine = f"{type(error).__name__}: {error}", False
                if not fine:
                    wrong.append((str(place), damage.__name__, name, again, said))
            count += 1
    return count, wrong


def same(said, right) -> bool:
    """Whether it printed what it printed before, or said beside it what was put aside, or made labels again."""
    told = ".aside-" in said.err or "Labels made for layers" in said.out
    return said.code == right.code == 0 and (said.out == right.out or told)


def one_of_each(place: Path, names: list[str]):
    """A damage of the file and a command that reads it; of the store, which everybody reads, every command."""
    chance = random.Random(str(place))
    damage = chance.choice(DAMAGES)
    return [(damage, name) for name in (names if place.name == FILE else names and [chance.choice(names)])]


def test_one_damage_of_every_file(kept, files, tiny_spec, tmp_path, monkeypatch):
    count, wrong = tried(kept, files, tiny_spec, tmp_path, monkeypatch, one_of_each)
    assert count > 30 and not wrong, "\n".join(map(str, wrong))


@pytest.mark.soak
@pytest.mark.timeout(0)
def test_every_damage_of_every_file(kept, files, tiny_spec, tmp_path, monkeypatch):
    begin = time.monotonic()
    count, wrong = tried(kept, files, tiny_spec, tmp_path, monkeypatch, lambda place, names: [*product(DAMAGES, names)])
    note(
        "Power cut and bad disk: each file of the cache empty, one block, zeros, garbled, other JSON; commands twice",
        f"{count} damages",
        len(wrong),
        time.monotonic() - begin,
    )
    assert not wrong, "\n".join(map(str, wrong))
