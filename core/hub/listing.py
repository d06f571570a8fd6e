"""What a repository on a model hub holds, what of it is on this machine, and what is still to come.

Knows: the hub's listings and huggingface_hub's cache folder (blobs by their hash, snapshots of links to them, refs from
a branch to a commit). Does not know: how a file is downloaded. Loads nothing.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import httpx2
from huggingface_hub import HfApi, constants, get_cached_repo_tree, get_token
from huggingface_hub.errors import (
    CachedRepoTreeNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RevisionResolutionError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import filter_repo_objects

from core.errors import DownloadError, OfflineError
from core.hub import errors as hub_errors
from core.hub.bounds import LONGEST_WAIT, asked_pause, one_question
from core.hub.errors import Place
from core.schemas.hub import RepositoryInfo
from core.schemas.schema import checked
from core.schemas.weights import WeightsIndex
from core.shaped import read

# Files that run code when they are opened as their makers meant; weights are read from safetensors and npz.
PICKLED = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".dill")
# Of these, torch's own, which `core.saes.formats.torch_zip` reads without running anything.
READ_INERTLY = (".pt", ".pth")
BUSY = (408, 429, 500, 502, 503, 504)  # answers after which asking again can help
WAITS = (0.5, 1.0, 2.0)  # seconds before each further question
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Wanted:
    """Files of one repository on a model hub. files: exact names or glob patterns; kind: "model" or "dataset".

    inert: torch's files (.pt, .pth) may be among them. Only who will open them with `core.saes.formats.torch_zip`,
    which runs nothing, may say so; other pickles are never fetched.
    """

    repo: str
    files: tuple[str, ...]
    kind: Literal["model", "dataset"] = "model"
    revision: str | None = None
    inert: bool = False

    @property
    def place(self) -> Place:
        return Place(self.repo, self.kind, self.revision, endpoint())

    @property
    def commit(self) -> str | None:
        """The commit that `revision` names for good, as hubs and caches write it; None for a branch or a tag."""
        named = re.fullmatch(r"[0-9a-f]{40}", self.revision or "", re.IGNORECASE)
        return named[0].lower() if named else None


@dataclass(frozen=True)
class ListedFile:
    """One file. sha256: of large files, where the hub knows it. here: whole on this machine.

    started: bytes that an earlier, unfinished download has left. etag: its name among the cache's blobs; empty where
    only the cache was asked.
    """

    name: str
    bytes: int
    sha256: str | None
    here: bool
    started: int = 0
    etag: str = ""


@dataclass(frozen=True)
class Listing:
    """What `Wanted` comes to at one commit. gated: as the hub says. needs_token: the hub would refuse the files.

    online: whether the hub was asked, or only the cache. folder: the snapshot the files are or will be in.
    """

    commit: str
    files: tuple[ListedFile, ...]
    gated: Literal["auto", "manual"] | None
    needs_token: bool
    online: bool
    folder: Path

    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @property
    def missing_bytes(self) -> int:
        """What is still to be downloaded; of files half here, the other half."""
        return sum(file.bytes - file.started for file in self.files if not file.here)

    @property
    def missing(self) -> tuple[ListedFile, ...]:
        return tuple(file for file in self.files if not file.here)


def endpoint() -> str:
    """HF_ENDPOINT as it is now; huggingface_hub's own reads it once, at import."""
    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def api() -> HfApi:
    return HfApi(endpoint=endpoint())


def repo_folder(wanted: Wanted) -> Path:
    """Where huggingface_hub keeps this repository; it need not be there."""
    cache = Path(constants.HF_HUB_CACHE).expanduser()
    return cache / repo_folder_name(repo_id=wanted.repo, repo_type=wanted.kind)


def look(wanted: Wanted) -> Listing:
    """What it would take to have these files: nothing is downloaded. Without a network, what is here is looked at.

    Raises DownloadError (never GatedError: see `needs_token`), OfflineError where what is here is not enough.
    """
    try:
        return _ask(wanted)
    except Exception as error:  # whatever it is: what is whole on this machine can be used all the same
        sentence = hub_errors.trouble(error, wanted.place)
        if sentence is error:
            raise
        if not isinstance(error, OSError | httpx2.HTTPError):
            raise sentence from error
        return _without_hub(wanted, sentence, error)


def partial_file(blob: Path) -> Path:
    """Where a download is until it is whole: huggingface_hub's own place of old, so that its leftovers are used."""
    return blob.with_name(f"{blob.name}.incomplete")


def _ask(wanted: Wanted) -> Listing:
    info = _asked(lambda: _repository(wanted))
    if wanted.commit and info.sha != wanted.commit:
        raise hub_errors.other_commit(info.sha, wanted.place)
    siblings = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    folder = repo_folder(wanted)
    snapshot = folder / "snapshots" / info.sha
    files = []
    for name in _chosen(siblings, wanted):
        size, lfs = siblings[name].size or 0, siblings[name].lfs
        blob = folder / "blobs" / siblings[name].etag
        here = size in (_size(snapshot / name), _size(blob))
        started = 0 if here else min(_size(partial_file(blob)) or 0, size)
        files.append(ListedFile(name, size, lfs.sha256 if lfs else None, here, started, siblings[name].etag))
    gated: Literal["auto", "manual"] | None = info.gated or None
    return Listing(info.sha, tuple(files), gated, bool(gated) and not _has_access(wanted), True, snapshot)


def _repository(wanted: Wanted) -> RepositoryInfo:
    """What the hub says of a repository. Raises GarbledAnswerError for what is no such answer."""
    try:
        found = api().repo_info(
            wanted.repo, repo_type=wanted.kind, revision=wanted.commit or wanted.revision, files_metadata=True
        )
        return checked(RepositoryInfo, found)
    except HFValidationError:  # a ValueError too, of a name that is none
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:  # as huggingface_hub meets another shape
        raise hub_errors.no_hub(wanted.place) from error


def _has_access(wanted: Wanted) -> bool:
    if not get_token():
        return False
    try:
        _asked(lambda: api().auth_check(wanted.repo, repo_type=wanted.kind))
    except GatedRepoError:
        return False
    return True


def _asked(question: Callable[[], Answer]) -> Answer:
    """The answer to a question to the hub, which huggingface_hub asks once only, asked again while it is busy."""
    for wait in (*WAITS, None):
        try:
            with one_question():
                return question()
        except httpx2.ConnectTimeout:  # a network that swallows everything: each try would be as long
            raise
        except (HfHubHTTPError, httpx2.TimeoutException, httpx2.ReadError, httpx2.RemoteProtocolError) as error:
            if wait is None or not (pause := pause_after(error, wait)):
                raise
        time.sleep(pause)
    raise AssertionError("the last turn of the loop answers or raises")


def pause_after(error: Exception, wait: float) -> float:
    """Seconds to wait before asking again: `wait`, or longer where the hub says so; 0 where asking is of no use."""
    if not isinstance(error, HfHubHTTPError):
        return wait
    pause = max(wait, asked_pause(error.response))
    return pause if error.response.status_code in BUSY and pause <= LONGEST_WAIT else 0.0


def _chosen(names: Iterable[str], wanted: Wanted) -> list[str]:
    """Which of the repository's files are wanted. Raises DownloadError for a name not there, and for pickles that
    nobody has promised to read without running them.
    """
    there = set(names)
    for pattern in wanted.files:
        if not re.search(r"[*?\[]", pattern) and pattern not in there:
            raise hub_errors.no_such_file(pattern, wanted.place)
    chosen = sorted(filter_repo_objects(there, allow_patterns=list(wanted.files)))
    if not chosen:
        raise hub_errors.no_such_file(", ".join(wanted.files), wanted.place)
    forbidden = tuple(set(PICKLED) - set(READ_INERTLY)) if wanted.inert else PICKLED
    pickled = [name for name in chosen if name.lower().endswith(forbidden)]
    if pickled:
        raise DownloadError(
            f"{wanted.repo}/{pickled[0]} is a pickle, which can run any code when opened. Choose .safetensors or "
            ".npz files, or convert it first."
        )
    return chosen


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _without_hub(wanted: Wanted, sentence: Exception, error: Exception) -> Listing:
    """What the cache holds, if it is all that is wanted. Else raises `sentence`, or what is missing when offline."""
    try:
        listing = _from_cache(wanted)
    except (OSError, RevisionResolutionError, ValueError):  # ValueError: no name, or a branch's damaged file
        raise sentence from error
    if listing is None:
        raise sentence from error
    if listing.missing and isinstance(sentence, OfflineError):
        names = ", ".join(file.name for file in listing.missing[:5])
        more = f" and {len(listing.missing) - 5} more" if len(listing.missing) > 5 else ""
        raise OfflineError(
            f"{wanted.repo} is incomplete on this machine ({names}{more} missing), and the hub cannot be reached: "
            "download the rest when you have a network connection (and HF_HUB_OFFLINE is not set)."
        ) from error
    if listing.missing:
        raise sentence from error
    return listing


def _from_cache(wanted: Wanted) -> Listing | None:
    """What the cache alone knows; None where it holds nothing of this repository that is wanted.

    The tree listing that huggingface_hub keeps says what belongs to a commit. Where another program has downloaded
    file by file there is none: then a pattern stands for what is there, and a weights index for its shards.
    """
    revision = api().resolve_revision(
        # A commit is itself, whatever a file of its name among the refs says.
        wanted.repo,
        repo_type=wanted.kind,
        revision=wanted.commit or wanted.revision,
        local_files_only=True,
    )
    snapshot = repo_folder(wanted) / "snapshots" / revision.resolved
    try:
        tree = get_cached_repo_tree(wanted.repo, repo_type=wanted.kind, revision=revision)
        sizes: dict[str, int | None] = {file.path: file.size for file in tree}
    except CachedRepoTreeNotFoundError:
        found = {path.relative_to(snapshot).as_posix(): _size(path) for path in snapshot.rglob("*") if path.is_file()}
        exact = [name for name in wanted.files if not re.search(r"[*?\[]", name)]
        named = [name for path in snapshot.rglob("*.safetensors.index.json") for name in _shards(path, snapshot)]
        sizes = dict.fromkeys([*exact, *named]) | found
        if not any(filter_repo_objects(found, allow_patterns=list(wanted.files))):
            return None
    files = tuple(
        ListedFile(name, size or 0, None, size is not None and _size(snapshot / name) == size)
        for name in _chosen(sizes, wanted)
        for size in [sizes[name]]
    )
    return Listing(revision.resolved, files, None, False, False, snapshot)


def _shards(index: Path, snapshot: Path) -> set[str]:
    folder = index.parent.relative_to(snapshot)
    try:
        return {(folder / name).as_posix() for name in read(WeightsIndex, index).files}
    except (OSError, ValueError):
        return set()  # not an index; whoever loads the model will say so
