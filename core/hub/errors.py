"""What went wrong between this machine and a model hub, in one sentence that says how to fix it.

Knows: the errors that huggingface_hub, its HTTP client and the file system raise. Does not know: how anything is
listed or downloaded.
"""

from __future__ import annotations

import errno
import os
from json import JSONDecodeError
from typing import Literal, NamedTuple

import httpx2
from huggingface_hub import constants, get_token
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from core.errors import DownloadError, GarbledAnswerError, GatedError, HydrascopeError, OfflineError
from core.text.sizes import size_text

LOG_IN = "log in with `hf auth login`, or set HF_TOKEN"
KEPT = "the downloaded part is kept, and the next try continues from there"


class Place(NamedTuple):
    """What was asked for, and where: enough to name it to a person."""

    repo: str
    kind: Literal["model", "dataset"]
    revision: str | None
    endpoint: str
    file: str = ""

    @property
    def page(self) -> str:
        """The repository's page, where a licence is accepted."""
        return f"{self.endpoint}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


def trouble(error: BaseException, place: Place) -> HydrascopeError:
    """The typed sentence for `error`. What is typed already stays as it is; what is not foreseen is raised again."""
    if isinstance(error, HydrascopeError):
        return error
    if isinstance(error, LocalEntryNotFoundError) and error.__cause__ is not None:
        return trouble(error.__cause__, place)  # huggingface_hub's “not here either”; the cause says why it asked
    if isinstance(error, OfflineModeIsEnabled):
        return OfflineError(f"{place.repo} is not on this machine, and HF_HUB_OFFLINE is set: unset it to download.")
    if isinstance(error, HfHubHTTPError):
        return _answered(error, place)
    if isinstance(error, httpx2.TransportError) and not isinstance(error, httpx2.UnsupportedProtocol):
        return OfflineError(
            f"The hub at {place.endpoint} cannot be reached: check the network and the proxy, and try again; {KEPT}."
        )
    if isinstance(error, HFValidationError):
        return DownloadError(f"“{place.repo[:100]}” is not a valid repository name: write owner/name, as on its page.")
    if isinstance(error, FileMetadataError | httpx2.HTTPError | httpx2.InvalidURL | JSONDecodeError):
        return no_hub(place)
    if isinstance(error, OSError):
        return unwritable(error)
    raise error


def _answered(error: HfHubHTTPError, place: Place) -> DownloadError:
    """The hub answered, with an error."""
    status, name = error.response.status_code, f"{place.kind} {place.repo}"
    if isinstance(error, GatedRepoError):
        return gated(place)
    if isinstance(error, RevisionNotFoundError):
        return DownloadError(
            f"The {name} has no revision “{place.revision}”: give a branch, a tag or a commit listed on {place.page}."
        )
    if isinstance(error, RemoteEntryNotFoundError):
        return no_such_file(place.file, place)
    if isinstance(error, RepositoryNotFoundError) or status == 404:
        hint = "check its name, and if it is private, check that your token can read it"
        if not get_token():
            hint = f"check its name; if it is private, {LOG_IN}"
        return DownloadError(f"There is no {name} at {place.endpoint}: {hint}.")
    if status == 401:
        where = "correct the value of HF_TOKEN" if os.environ.get("HF_TOKEN") else "log in again with `hf auth login`"
        return DownloadError(f"The hub at {place.endpoint} does not accept your token: {where}.")
    if status == 403:
        return DownloadError(
            f"Your token has no access to the {name}: request access on {place.page}, or use a token that has it."
        )
    if status == 429:
        return DownloadError(f"The hub at {place.endpoint} received too many requests: wait a few minutes; {KEPT}.")
    return DownloadError(
        f"The hub at {place.endpoint} has a problem (it answered {status} several times): try again later; {KEPT}."
    )


def gated(place: Place) -> GatedError:
    """For a person without a token, or one whose token has no access."""
    if not get_token():
        return GatedError(f"{place.repo} is gated: accept its licence on {place.page}, then {LOG_IN}.")
    return GatedError(
        f"{place.repo} is gated, and your token has no access to it yet: request access on {place.page} with the "
        "token's account, and check that the token can read gated repositories."
    )


def no_such_file(file: str, place: Place) -> DownloadError:
    return DownloadError(
        f"The {place.kind} {place.repo} has no file “{file}” at “{place.revision or 'main'}”: see its files on "
        f"{place.page}."
    )


def no_hub(place: Place) -> GarbledAnswerError:
    """Something answered, but not a hub, or not one to be trusted with file names."""
    return GarbledAnswerError(f"{place.endpoint} does not answer like a model hub: check HF_ENDPOINT and your proxy.")


def other_commit(sha: str, place: Place) -> GarbledAnswerError:
    """A commit was asked for, and the hub answered with another one."""
    return GarbledAnswerError(
        f"{place.endpoint} answers with commit {sha} of {place.repo} where {place.revision} was asked for, so nothing "
        "of it is used: check HF_ENDPOINT and your proxy."
    )


def unwritable(error: OSError) -> DownloadError:
    """The file system refused: full, or not to be written."""
    folder = constants.HF_HUB_CACHE
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DownloadError(
            f"The disk is full at {folder}: free some space, or set HF_HUB_CACHE to another folder; {KEPT}."
        )
    return DownloadError(
        f"The download folder {folder} cannot be written ({error.strerror or error}): fix that, or set HF_HUB_CACHE "
        "to a writable folder."
    )


def no_room(needed: int, free: int) -> DownloadError:
    return DownloadError(
        f"The download needs {size_text(needed)} of disk, and {constants.HF_HUB_CACHE} has {size_text(free)} free: "
        f"free {size_text(needed - free)} more, or set HF_HUB_CACHE to a folder on another disk."
    )
