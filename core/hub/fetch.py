"""Files from a model hub, into the user's own hub cache: looked at first, then fetched.

Knows: how to wait for a download, show it, stop it, and what to do without a network. Does not know: models, SAEs or
prompts, and what a file means. HTTP, tokens and the cache's layout are huggingface_hub's: files that any program
has downloaded with it are found, and what is fetched here is found by others. The endpoint is HF_ENDPOINT, read at each
call. Nothing is ever unpickled, nor fetched that would have to be.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Any

from huggingface_hub import ResolvedRevision, constants, snapshot_download
from tqdm import tqdm

from core.errors import DownloadError
from core.hub import errors as hub_errors
from core.hub.bounds import one_question
from core.hub.listing import ListedFile, Listing, Wanted, endpoint, look, repo_folder
from core.hub.transfer import Transfer, download
from core.hub.verify import put_damaged_aside
from core.kept_files import write_whole
from core.progress import NEVER, QUIET, Progress
from core.text.sizes import size_text

__all__ = ["ListedFile", "Listing", "Wanted", "fetch", "look"]

POLL = 0.1  # seconds between two looks at the download by the one who waits for it
GRACE = 1.0  # seconds a cancelled download is given to end; then it is left to end by itself


def fetch(wanted: Wanted, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Path:
    """The local snapshot folder that holds the wanted files, after downloading what is not here yet.

    progress: gets the share of bytes that are here. cancelled: asked at once, and ten times a second. Both in the
    caller's thread. A half-finished download continues; every file is checked against its size and hash. Safe from
    several threads and processes at once.

    Raises DownloadError, GatedError, OfflineError, Cancelled.
    """
    progress(f"Checking {wanted.repo}", 0.0)
    transfer = Transfer(total=0)
    if cancelled():
        transfer.stop.set()
        transfer.check()
    result: Future[Path] = Future()
    # In a separate thread, so that the caller's can show progress and be stopped while this one waits for bytes.
    threading.Thread(target=_run, args=(wanted, transfer, result), name=f"download {wanted.repo}", daemon=True).start()
    share = 0.0
    try:
        while True:
            wait([result], timeout=POLL)
            if result.done():
                folder = result.result()
                break
            if cancelled():
                transfer.stop.set()
                transfer.check()
            if transfer.total:
                share = max(share, min(transfer.done / transfer.total, 1.0))
                progress(f"{transfer.sentence} ({size_text(transfer.done)} of {size_text(transfer.total)})", share)
    except BaseException:  # the callbacks may raise too, as Streamlit does to stop a script
        transfer.cancel()
        with suppress(Exception):
            result.exception(timeout=GRACE)
        raise
    progress(f"{wanted.repo} is on this machine", 1.0)
    return folder


def _run(wanted: Wanted, transfer: Transfer, result: Future[Path]) -> None:
    try:
        try:
            result.set_result(_fetch(wanted, transfer))
        except Exception as error:
            sentence = hub_errors.trouble(error, wanted.place)
            if sentence is error:
                raise
            raise sentence from error
    except BaseException as error:  # whatever it is, the thread that waits must hear of it
        result.set_exception(error)


def _fetch(wanted: Wanted, transfer: Transfer) -> Path:
    """Once more where a file that was here is damaged: it was put aside, so that it is missing then."""
    folder = _fetched(wanted, transfer)
    damaged = put_damaged_aside(folder, wanted, transfer.check)
    if not damaged:
        return folder
    try:
        return _fetched(wanted, transfer)
    except DownloadError as error:
        raise type(error)(
            f"{damaged[0]} of {wanted.repo} was damaged on this machine and put aside. {error}"
        ) from error


def _fetched(wanted: Wanted, transfer: Transfer) -> Path:
    listing = look(wanted)
    if not listing.online:
        return listing.folder
    if listing.missing and listing.needs_token:
        raise hub_errors.gated(wanted.place)
    transfer.sentence = f"Downloading {wanted.repo}"
    transfer.finished = sum(file.bytes for file in listing.files if file.here)
    transfer.total = listing.total_bytes
    _check_room(listing.missing_bytes)
    for file in listing.missing:
        if (listing.folder / file.name).is_file():  # cut short, by whatever program: it would pass for the whole
            (listing.folder / file.name).unlink()
        download(wanted, listing.commit, file, transfer)
    transfer.check()
    return _linked(wanted, listing)


def _check_room(needed: int) -> None:
    folder = Path(constants.HF_HUB_CACHE).expanduser().absolute()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise hub_errors.no_room(needed, free)


class _Silent(tqdm):
    """A progress bar that writes nothing; `fetch` reports how far it is."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "disable": True})


def _linked(wanted: Wanted, listing: Listing) -> Path:
    """The snapshot folder, its links put there by huggingface_hub, which finds every file among its blobs."""
    names = [file.name for file in listing.files]
    if not all((listing.folder / name).is_file() for name in names):
        with one_question():  # it lists the commit's files once more
            snapshot_download(
                wanted.repo,
                repo_type=wanted.kind,
                # The commit that was looked at, even if the branch has moved since.
                revision=ResolvedRevision(listing.commit, wanted.commit or wanted.revision, wanted.repo, wanted.kind),
                endpoint=endpoint(),
                allow_patterns=[escape(name) for name in names],
                tqdm_class=_Silent,
            )
    with suppress(OSError):  # a cache that cannot be written, and needs no writing, will do
        _remember_branch(wanted, listing.commit)
    return listing.folder


def _remember_branch(wanted: Wanted, commit: str) -> None:
    """Let branch or tag point to its commit in the cache, as huggingface_hub does, for the time without a network."""
    ref = repo_folder(wanted) / "refs" / (wanted.revision or constants.DEFAULT_REVISION)
    if wanted.commit:  # needs none; one that is there would lead other programs to another commit
        ref.unlink(missing_ok=True)
        return
    if ref.is_file() and ref.read_bytes() == commit.encode():
        return
    ref.parent.mkdir(parents=True, exist_ok=True)
    write_whole(ref, commit)
