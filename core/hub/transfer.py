"""One file from a model hub to the cache: resumable, cancellable, checked, shown as it goes.

Knows: byte ranges, git's and SHA-256 hashes, huggingface_hub's HTTP session, retries and file locks.
Does not know: which files are wanted, and what is in them.

huggingface_hub 2.4 downloads a file to a name of its own each time and removes it when anything goes wrong, so a
download of gigabytes that breaks off starts at zero again; its `http_get` can resume, but hands over pieces of 10 MB,
between which it can be neither stopped nor seen to advance. Hence this loop over its session. Xet is not used: a
file comes by HTTP from the same hub, which has it for every file below 50 GB.
"""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import httpx2
from huggingface_hub import hf_hub_url
from huggingface_hub.errors import HfHubHTTPError
from huggingface_hub.utils import WeakFileLock, build_hf_headers, hf_raise_for_status, http_stream_backoff

from core.errors import Cancelled, DownloadError, OfflineError
from core.hub.bounds import TIMEOUT
from core.hub.errors import KEPT, trouble
from core.hub.listing import ListedFile, Wanted, endpoint, partial_file, pause_after, repo_folder
from core.kept_files import put_in_place
from core.text.sizes import size_text

if TYPE_CHECKING:
    from hashlib import _Hash as Digest

WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)  # seconds before each further try, while no try brings anything
LOCK_POLL = 0.2  # seconds
#: A server that sends fewer bytes than this in so many seconds, or before each break, would never come to an end.
SLOW_SECONDS, SLOW_BYTES = 60.0, 16_384
BLOCK = 2**22  # bytes hashed at a time


@dataclass
class Transfer:
    """What the downloading thread and the one that waits for it share: only the former writes, but for `cancel`."""

    total: int  # bytes of all files wanted
    finished: int = 0  # bytes of the files that are whole
    of_this: int = 0  # bytes of the file under way
    sentence: str = ""
    stop: threading.Event = field(default_factory=threading.Event)
    connection: socket.socket | None = None

    @property
    def done(self) -> int:
        return self.finished + self.of_this

    def cancel(self) -> None:
        """Stop at once: a thread that waits for bytes wakes when its connection is shut down."""
        self.stop.set()
        connection = self.connection
        if connection is not None:
            with suppress(OSError, ValueError):  # closed in the meantime
                connection.shutdown(socket.SHUT_RDWR)

    def check(self) -> None:
        """Raises Cancelled after `cancel`."""
        if self.stop.is_set():
            raise Cancelled(f"The download was cancelled; {KEPT}.")


@dataclass
class _Arrived:
    """The open partial file and the hash of all that is in it."""

    target: BinaryIO
    digest: Digest


def download(wanted: Wanted, commit: str, file: ListedFile, transfer: Transfer) -> None:
    """Put `file` among the cache's blobs, whole and checked. Raises DownloadError, Cancelled, and what HTTP raises."""
    folder = repo_folder(wanted)
    blob = folder / "blobs" / file.etag
    blob.parent.mkdir(parents=True, exist_ok=True)
    # huggingface_hub's own lock of this blob: neither it nor another of ours writes the same file meanwhile.
    lock = folder.parent / ".locks" / folder.name / f"{file.etag}.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with _locked(lock, transfer, file):
        if not (blob.is_file() and blob.stat().st_size == file.bytes):  # another may have brought it meanwhile
            _fill(wanted, commit, file, partial_file(blob), transfer)
            put_in_place(partial_file(blob), blob)
    transfer.of_this = 0  # first: a reader in between sees too little, which is never shown, rather than too much
    transfer.finished += file.bytes


@contextmanager
def _locked(lock: Path, transfer: Transfer, file: ListedFile) -> Iterator[None]:
    """Hold the lock; waiting for it can be cancelled."""
    with ExitStack() as held:
        while True:
            transfer.check()
            try:
                held.enter_context(WeakFileLock(lock, timeout=LOCK_POLL))
                break
            except TimeoutError:
                transfer.sentence = f"Waiting for another download of {file.name}"
        yield


def _fill(wanted: Wanted, commit: str, file: ListedFile, partial: Path, transfer: Transfer) -> None:
    """Bring the partial file to its full length, however often the connection breaks, and check it."""
    if partial.is_file() and partial.stat().st_size > file.bytes:
        partial.unlink()  # not a beginning of this file
    with partial.open("a+b", buffering=0) as target:
        arrived = _Arrived(target, _new_digest(file))
        _read_again(arrived, file, transfer)
        fruitless = 0
        while transfer.of_this < file.bytes:
            transfer.check()
            before = transfer.of_this
            transfer.sentence = f"Downloading {file.name}"
            try:
                _stream(wanted, commit, file, arrived, transfer)
                break  # all that the hub sends
            except (httpx2.TransportError, HfHubHTTPError) as error:
                transfer.check()
                fruitless = 0 if transfer.of_this >= before + SLOW_BYTES else fruitless + 1
                pause = pause_after(error, WAITS[max(0, fruitless - 1)]) if fruitless <= len(WAITS) else 0.0
                if not pause:
                    raise _given_up(error, wanted, file, transfer) from error
                transfer.stop.wait(pause)
    if partial.stat().st_size != file.bytes or arrived.digest.hexdigest() != file.etag:
        partial.unlink()
        raise DownloadError(
            f"{file.name} from {wanted.repo} arrived damaged (its contents differ from the hub's listing) and was "
            "removed: download it again; if that does not help, check your proxy."
        )


def _given_up(error: Exception, wanted: Wanted, file: ListedFile, transfer: Transfer) -> Exception:
    if isinstance(error, HfHubHTTPError) or not transfer.of_this:
        return trouble(error, wanted.place._replace(file=file.name))
    return OfflineError(
        f"The download of {file.name} from {wanted.repo} stopped at {size_text(transfer.of_this)} of "
        f"{size_text(file.bytes)} after several tries: check the network and try again; {KEPT}."
    )


def _read_again(arrived: _Arrived, file: ListedFile, transfer: Transfer) -> None:
    """Hash what an earlier try has left."""
    left = os.fstat(arrived.target.fileno()).st_size
    arrived.target.seek(0)
    while left > transfer.of_this and (piece := arrived.target.read(BLOCK)):
        transfer.check()
        transfer.sentence = f"Checking the part of {file.name} on this machine"
        arrived.digest.update(piece)
        transfer.of_this += len(piece)


def _stream(wanted: Wanted, commit: str, file: ListedFile, arrived: _Arrived, transfer: Transfer) -> None:
    """One request for what is missing, written and hashed as it comes."""
    url = hf_hub_url(wanted.repo, file.name, repo_type=wanted.kind, revision=commit, endpoint=endpoint())
    headers = build_hf_headers()
    if transfer.of_this:
        headers["Range"] = f"bytes={transfer.of_this}-"
    with http_stream_backoff(
        "GET", url, headers=headers, timeout=TIMEOUT, retry_on_exceptions=(), retry_on_status_codes=()
    ) as response:
        if response.status_code == 416:  # the file ends before what is here does
            return
        hf_raise_for_status(response)
        begins = response.headers.get("Content-Range", "").startswith(f"bytes {transfer.of_this}-")
        if transfer.of_this and not (response.status_code == 206 and begins):
            arrived.target.truncate(0)
            arrived.digest, transfer.of_this = _new_digest(file), 0
            if response.status_code == 206:  # another part than was asked for: from here on, all of it is
                raise httpx2.RemoteProtocolError("another range than was asked for")
        stream = response.extensions.get("network_stream")
        transfer.connection = stream.get_extra_info("socket") if stream else None
        try:
            transfer.check()
            begun, before = time.monotonic(), transfer.of_this
            for piece in response.iter_raw():
                transfer.check()
                if transfer.of_this + len(piece) > file.bytes:
                    raise DownloadError(
                        f"The hub sends more of {file.name} from {wanted.repo} than the {size_text(file.bytes)} it "
                        "lists. Nothing of it is used. Try again later, or check your proxy."
                    )
                if time.monotonic() - begun > SLOW_SECONDS:
                    if transfer.of_this - before < SLOW_BYTES:
                        raise DownloadError(
                            f"{file.name} from {wanted.repo} arrives too slowly (fewer than {size_text(SLOW_BYTES)} in "
                            f"{SLOW_SECONDS:.0f} seconds). Try again later; {KEPT}."
                        )
                    begun, before = time.monotonic(), transfer.of_this
                arrived.target.write(piece)
                arrived.digest.update(piece)
                transfer.of_this += len(piece)
        finally:
            transfer.connection = None


def _new_digest(file: ListedFile) -> Digest:
    """Large files are named by their SHA-256, small ones by git's hash of them."""
    return hashlib.sha256() if file.sha256 else hashlib.sha1(b"blob %d\0" % file.bytes)
