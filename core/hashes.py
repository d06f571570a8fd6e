"""Hashes of whole files, read in small parts.

Knows: the hashes that hubs and manifests use. Does not know: which files, or what they should be.
"""

from __future__ import annotations

import hashlib
from pathlib import Path


def sha256_of(path: Path) -> str:
    """sha256 of a file, hexadecimal. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob_of(path: Path) -> str:
    """What git calls a file's content: the sha1 of its size and bytes, hexadecimal. Raises OSError."""

    def begun() -> hashlib._Hash:
        return hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)

    with path.open("rb") as file:
        return hashlib.file_digest(file, begun).hexdigest()
