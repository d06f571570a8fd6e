"""Downloaded files compared with the hash that the hub cache names them by, and put aside where they differ.

Knows: the cache's layout. Does not know: how a file is downloaded. Bits flip and blocks are zeroed on disks without a
change of size, and numbers made from such weights would look like any others.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from huggingface_hub.utils import filter_repo_objects

from core.hashes import git_blob_of, sha256_of
from core.hub.listing import Wanted
from core.kept_files import put_aside
from core.schemas.hub import HASH

# Protects `_good`: several threads may ask for files at once.
_lock = threading.Lock()
#: Blobs that were compared in this process: path → size and time of last change then.
_good: dict[Path, tuple[int, int]] = {}
_log = logging.getLogger("hydrascope.hub")


def put_damaged_aside(folder: Path, wanted: Wanted, check: Callable[[], None]) -> tuple[str, ...]:
    """The wanted files of a snapshot that are not what the hub listed; they were renamed. Each file is read once in a
    process as long as it does not change. check: called before each file; may raise to stop. Raises OSError."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    damaged = []
    for name in filter_repo_objects(names, allow_patterns=list(wanted.files)):
        blob = (folder / name).resolve()
        # Without links to blobs (Windows, a folder that was copied) nothing says what a file should be.
        if blob.parent.name != "blobs" or not HASH.fullmatch(blob.name):
            continue
        now = blob.stat()
        state = (now.st_size, now.st_mtime_ns)
        with _lock:
            if _good.get(blob) == state:
                continue
        check()
        found = sha256_of(blob) if len(blob.name) == 64 else git_blob_of(blob)
        if found != blob.name:
            aside = put_aside(blob)
            _log.warning("%s of %s is damaged and was put aside as %s.", name, wanted.repo, aside.name)
            damaged.append(name)
            continue
        with _lock:
            _good[blob] = state
    return tuple(damaged)
