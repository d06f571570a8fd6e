"""What the loopback hub serves: commits of repositories, each a folder whose files are hashed as the hub hashes them.

Knows: git's and LFS's object ids, and the shapes of the hub's JSON for models, datasets and tree listings.
Does not know: HTTP.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

LARGE = (".safetensors", ".npz", ".bin", ".pt", ".gguf", ".parquet", "tokenizer.json")  # what goes to LFS by name
LARGE_BYTES = 10_000_000  # and by size
POINTER_BYTES = 134  # an LFS pointer file's usual length
DATE = "2024-08-01T12:00:00.000Z"


@dataclass(frozen=True)
class File:
    """One file at one commit. oid: git's id of the blob (of an LFS file, of its pointer). sha256: of LFS files only."""

    name: str
    path: Path
    bytes: int
    oid: str
    sha256: str | None

    @property
    def etag(self) -> str:
        return self.sha256 or self.oid


def git_oid(content: bytes) -> str:
    """Git's name of a blob: SHA-1 of a header and the content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def describe(name: str, path: Path) -> File:
    size = path.stat().st_size
    if not name.endswith(LARGE) and size < LARGE_BYTES:
        return File(name, path, size, git_oid(path.read_bytes()), None)
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    return File(name, path, size, git_oid(pointer.encode()), sha256)


@dataclass
class Repository:
    """A repository with its commits. gated and private are as the hub means them."""

    name: str
    kind: Literal["model", "dataset"] = "model"
    gated: Literal["auto", "manual", False] = False
    private: bool = False
    refs: dict[str, str] = field(default_factory=dict)  # branch or tag → commit
    commits: dict[str, dict[str, File]] = field(default_factory=dict)  # commit → name → file

    def commit(self, folder: Path, revision: str) -> str:
        """Make the folder's files a new commit that `revision` points to. Returns the commit's id, 40 hex digits.

        A revision of 40 hex digits is the commit's id itself: some sets are pinned to the commit of the real hub.
        """
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        files = {f.name: f for f in (describe(path.relative_to(folder).as_posix(), path) for path in paths)}
        tree = "".join(f"{file.name}\0{file.etag}\n" for file in files.values())
        commit = hashlib.sha1(f"{self.kind} {self.name}\n{tree}".encode()).hexdigest()
        if re.fullmatch("[0-9a-f]{40}", revision):
            commit = revision
        self.commits[commit] = files
        self.refs[revision] = commit
        return commit

    def resolve(self, revision: str) -> str | None:
        return self.refs.get(revision) or (revision if revision in self.commits else None)

    def info(self, commit: str, blobs: bool) -> dict[str, Any]:
        """`/api/models/{repo}` and its likes."""
        files = self.commits[commit].values()
        return {
            "_id": commit[:24],
            "id": self.name,
            **({"modelId": self.name} if self.kind == "model" else {}),
            "author": self.name.split("/")[0],
            "sha": commit,
            "lastModified": DATE,
            "createdAt": DATE,
            "private": self.private,
            "gated": self.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": [_sibling(file, blobs) for file in files],
            "usedStorage": sum(file.bytes for file in files),
        }

    def tree(self, commit: str, folder: str, recursive: bool) -> list[dict[str, Any]]:
        """`/api/models/{repo}/tree/{revision}/{folder}`: files and folders, folders first met first."""
        prefix = f"{folder}/" if folder else ""
        entries: dict[str, dict[str, Any]] = {}
        for file in self.commits[commit].values():
            if not file.name.startswith(prefix):
                continue
            inside = file.name.removeprefix(prefix).split("/")
            for depth in range(1, len(inside) if recursive else min(len(inside), 2)):
                name = prefix + "/".join(inside[:depth])
                entries.setdefault(name, {"type": "directory", "oid": git_oid(name.encode()), "size": 0, "path": name})
            if recursive or len(inside) == 1:
                entries[file.name] = tree_entry(file)
        return list(entries.values())


def _sibling(file: File, blobs: bool) -> dict[str, Any]:
    if not blobs:
        return {"rfilename": file.name}
    lfs = {"sha256": file.sha256, "size": file.bytes, "pointerSize": POINTER_BYTES} if file.sha256 else None
    return {"rfilename": file.name, "blobId": file.oid, "size": file.bytes, **({"lfs": lfs} if lfs else {})}


def tree_entry(file: File) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "file", "oid": file.oid, "size": file.bytes, "path": file.name}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.bytes, "pointerSize": POINTER_BYTES}
    return entry
