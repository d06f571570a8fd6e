"""The files that come with the program, compared with the hashes they were shipped with before they are used.

Knows: the manifest, `assets/SHA256SUMS`, which `python -m core.shipped_files` makes. Does not know: what is in files.
A file of the right size with other content would give numbers that look like any others.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from core.errors import AssetError
from core.hashes import sha256_of
from core.paths import assets_folder

MANIFEST = "SHA256SUMS"
# Protects `_good`: pages and jobs open files at once.
_lock = threading.Lock()
#: Files that were compared in this process: path → its size and time of last change then.
_good: dict[Path, tuple[int, int]] = {}


def check_shipped(*paths: Path) -> None:
    """Compare files with their hashes, each once as long as it does not change; others than shipped ones are nobody's
    concern here. Raises AssetError for one that is not what was shipped."""
    for path in paths:
        if not path.is_relative_to(assets_folder()):
            continue
        name = path.relative_to(assets_folder()).as_posix()
        expected = _manifest(assets_folder() / MANIFEST).get(name)
        try:
            now = path.stat()
            state = (now.st_size, now.st_mtime_ns)
            with _lock:
                if _good.get(path) == state:
                    continue
            found = sha256_of(path)
        except OSError as error:
            raise AssetError(
                f"The shipped file {name} cannot be read ({error.strerror or error}). Restore it, for example with "
                "git, or install Hydrascope again."
            ) from error
        if found != expected:
            raise AssetError(
                f"The shipped file {name} is not the one that was shipped (its sha256 begins {found[:12]}). Restore "
                "it, for example with git, or install Hydrascope again. If you made it yourself, run `make manifest`."
            )
        with _lock:
            _good[path] = state


def manifest_text(folder: Path) -> str:
    """The manifest of a folder's files, as `sha256sum` writes and checks it. Read-me files are used by nobody."""
    return "".join(f"{sha256_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in _files(folder))


def _files(folder: Path) -> Iterable[Path]:
    every = (path for path in folder.rglob("*") if path.is_file())
    return sorted(
        path for path in every if not path.name.startswith(MANIFEST) and path.suffix != ".md" and path.name[0] != "."
    )


@cache
def _manifest(path: Path) -> dict[str, str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise AssetError(
            f"The list of shipped files, {path.name}, cannot be read. Install Hydrascope again."
        ) from error
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines)}


if __name__ == "__main__":
    print(manifest_text(assets_folder()), end="")
