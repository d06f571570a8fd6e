"""A model hub's listing of a repository. Its names and hashes become paths on this machine, so they are held strictly.

Knows: the fields of huggingface_hub's answer that are used here. Does not know: how it is asked for.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from core.schemas.schema import Schema

#: A commit, or a file's hash.
HASH = re.compile(r"^(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


def _inside(name: str) -> str:
    """A file's name that, taken as a path, leads into the repository's folder only."""
    if re.search(r"^[/~]|\\|:|[\x00-\x1f]", name) or {"", ".", ".."} & set(name.split("/")):
        raise ValueError("a file's name leads out of its folder")
    return name


Hash = Annotated[str, Field(pattern=HASH)]
FileName = Annotated[str, AfterValidator(_inside)]


class LargeFile(Schema):
    """What is known of a file that is kept outside git."""

    sha256: Annotated[str, Field(pattern=re.compile(r"^[0-9a-f]{64}\Z"))]


class Sibling(Schema):
    """One file. etag: its name among a cache's blobs."""

    rfilename: FileName
    size: Annotated[int, Field(ge=0)] | None = None
    blob_id: Hash | None = None
    lfs: LargeFile | None = None

    @model_validator(mode="after")
    def _has_a_hash(self) -> Sibling:
        if self.lfs is None and self.blob_id is None:
            raise ValueError("a file has no hash")
        return self

    @property
    def etag(self) -> str:
        return self.lfs.sha256 if self.lfs else str(self.blob_id)


class RepositoryInfo(Schema):
    """A repository at one commit."""

    sha: Hash
    siblings: tuple[Sibling, ...] | None = None
    gated: Literal["auto", "manual", False] | None = None
