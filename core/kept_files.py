"""Files that must be there after a crash: written beside their place, settled on the disk, then put in place whole.

Knows: what a file system promises. Does not know: what is in the files. Whoever reads one finds the old content or the
new one, never a part, also after a power cut; what cannot be read is renamed and never deleted.
"""

from __future__ import annotations

import os
import stat
import sys
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path


def put_in_place(made: Path, path: Path) -> None:
    """Move a file or folder that was made beside `path` there, its bytes settled first. Raises OSError."""
    for file in sorted(made.rglob("*")) if made.is_dir() else [made]:
        if file.is_file():
            _settle(file)
    os.replace(made, path)
    settle_folder(path.parent)


def write_whole(path: Path, content: str | bytes | Callable[[Path], object]) -> None:
    """Write a file so that it is there whole or not at all. content: what to write, text as UTF-8, or a function that
    writes it to the path it is given. Raises OSError, and what the function raises."""
    beside = path.with_name(f"{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        if callable(content):
            content(beside)
        else:
            beside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        put_in_place(beside, path)
    finally:
        with suppress(OSError):  # the folder itself may be what is wrong
            beside.unlink(missing_ok=True)


def write_to(path: Path, content: str | bytes) -> None:
    """Write to the place that a person named: a file whole or not at all, with the rights it had.

    A link stays, and what it leads to is written. A device, a pipe or a socket is written into, and so is whatever this
    process prints to, which has text already. Raises OSError.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        there = path.stat()
    except FileNotFoundError:
        write_whole(Path(os.path.realpath(path)), data)
        return
    printed = _printed_to(there)
    if printed is not None:  # opened again, it would be emptied, and what is printed later would go into the old file
        sys.stdout.flush()
        with os.fdopen(os.dup(printed), "wb") as stream:
            stream.write(data)
    elif not stat.S_ISREG(there.st_mode):
        with path.open("wb") as stream:
            stream.write(data)
    else:

        def write(beside: Path) -> None:
            beside.write_bytes(data)
            beside.chmod(stat.S_IMODE(there.st_mode))

        write_whole(Path(os.path.realpath(path)), write)


def _printed_to(there: os.stat_result) -> int | None:
    """The number under which this process prints into a file already; None for another file."""
    for number in (1, 2):
        with suppress(OSError):  # it may be closed
            if os.path.samestat(os.fstat(number), there):
                return number
    return None


def put_aside(path: Path) -> Path:
    """Rename a file that cannot be read, with the time in its new name. Raises OSError."""
    aside = path.with_name(f"{path.name}.aside-{datetime.now(UTC):%Y%m%dT%H%M%S%fZ}")
    path.rename(aside)
    settle_folder(path.parent)
    return aside


def settle_folder(folder: Path) -> None:
    """Have the names in a folder survive a power cut, where the system can do that."""
    with suppress(OSError):  # Windows opens no folders, and some network disks settle none
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _settle(file: Path) -> None:
    with file.open("rb+") as opened:
        os.fsync(opened.fileno())
