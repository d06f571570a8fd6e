"""Files that must be there after a crash: written beside their place, settled on the disk, then put in place whole.

Knows: what a file system promises. Does not know: what is in the files. Whoever reads one finds the old content or the
new one, never a part, also after a power cut; what cannot be read is renamed and never deleted.
"""

from __future__ import annotations

import os
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
