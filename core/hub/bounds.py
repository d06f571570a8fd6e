"""What a hub may send, held within bounds: pieces, seconds, pages, and the pauses that it asks for.

Knows: huggingface_hub's HTTP client, and the answers that it reads whole: pages of its API, errors, redirects. Does not
know: what is asked, or downloads of files, which are counted where they are written (`core.hub.transfer`).

huggingface_hub reads an answer to its end however long that is, follows a listing from page to page without end, waits
as long as `Retry-After` says, and asks some questions without a time-out. Hence hooks in its client: importing this
module puts them there, for this process. Headers are held to their time by `header_clock.py`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import httpx2
from huggingface_hub import set_client_factory
from huggingface_hub.utils import hf_raise_for_status
from huggingface_hub.utils._http import default_client_factory

from core.errors import DownloadError, GarbledAnswerError
from core.hub.header_clock import HeaderClock

TIMEOUT = 10.0  # seconds to connect, and between two pieces
LONGEST_WAIT = 10.0  # seconds; if a hub asks for a longer wait, an error says so instead
#: Bytes and seconds of all answers to one question together, and how many they may be. A listing of 100,000 files has
#: 30 MB.
MOST_BYTES, MOST_SECONDS, MOST_ANSWERS = 200_000_000, 120.0, 2000
#: Bytes and seconds of a redirect's body. What comes after them is left unread; the body of an error is not read at
#: all, since its status and headers say what is wrong.
REDIRECT_BYTES, REDIRECT_SECONDS = 100_000, 10.0


@dataclass
class _Question:
    """What the hub has sent of the answers to one question. nexts: addresses of further pages that it gave."""

    until: float
    answers: int = 0
    bytes: int = 0
    nexts: set[str] = field(default_factory=set)


_QUESTION: ContextVar[_Question | None] = ContextVar("question", default=None)


@contextmanager
def one_question() -> Iterator[None]:
    """All that huggingface_hub asks in this thread meanwhile is one question, with one answer's bounds.

    What goes beyond them raises GarbledAnswerError, or DownloadError for the time.
    """
    token = _QUESTION.set(_Question(time.monotonic() + MOST_SECONDS))
    try:
        yield
    finally:
        _QUESTION.reset(token)


class _Bounded(httpx2.SyncByteStream):
    """The pieces of a body, counted. most: without a question, how many bytes are read of it."""

    def __init__(self, stream: httpx2.SyncByteStream, question: _Question | None, most: int) -> None:
        self._stream, self._question, self._most = stream, question, most
        self._until = time.monotonic() + REDIRECT_SECONDS

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for piece in self._stream if self._question or self._most else ():
            read += len(piece)
            if self._question is not None:
                self._question.bytes += len(piece)
                _check(self._question)
            elif read > self._most or time.monotonic() > self._until:
                return
            yield piece

    def close(self) -> None:
        self._stream.close()


def _check(question: _Question) -> None:
    if time.monotonic() > question.until:
        raise DownloadError(f"The hub's answer takes longer than {MOST_SECONDS:.0f} seconds. Try again later.")
    if question.bytes > MOST_BYTES or question.answers > MOST_ANSWERS:
        raise GarbledAnswerError("The hub's answer does not end. Check HF_ENDPOINT and your proxy.")


def hold_request(request: httpx2.Request) -> None:
    # Packed, a few bytes could be gigabytes; and of a file, ranges and lengths are those of the file itself.
    request.headers["Accept-Encoding"] = "identity"
    request.headers["Connection"] = "close"
    request.extensions = {**request.extensions, "trace": HeaderClock()}
    question = _QUESTION.get()
    if question is not None:
        request.extensions = {**request.extensions, "timeout": httpx2.Timeout(TIMEOUT).as_dict()}
        question.answers += 1
        _check(question)


def hold_response(response: httpx2.Response) -> None:
    """Before anything of a body is read. Raises GarbledAnswerError, and what huggingface_hub raises for an error."""
    question, ended_well, failed = _QUESTION.get(), response.is_success, response.is_error
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise httpx2.DecodingError("a packed answer, which was not asked for", request=response.request)
    place = response.headers["Location"].strip().lower() if response.has_redirect_location else ""
    if place.startswith("http:") and response.request.url.scheme == "https":
        raise GarbledAnswerError("The hub sends to an address without encryption. Check HF_ENDPOINT and your proxy.")
    if question is not None or not ended_well:
        assert isinstance(response.stream, httpx2.SyncByteStream)
        most = 0 if failed else REDIRECT_BYTES
        response.stream = _Bounded(response.stream, question if ended_well else None, most)
    if question is None:
        return
    if ended_well and (page := response.links.get("next", {}).get("url")):
        if page in question.nexts:
            raise GarbledAnswerError("The hub's list of files goes in circles. Check HF_ENDPOINT and your proxy.")
        question.nexts.add(page)
    if failed:
        response.headers.pop("RateLimit", None)  # huggingface_hub would wait as long as it says
        pause = asked_pause(response)
        if pause > LONGEST_WAIT:
            hf_raise_for_status(response)
        if not pause:
            response.headers.pop("Retry-After", None)


def asked_pause(response: httpx2.Response) -> float:
    """Seconds that `Retry-After` asks for; 0 where it is missing, or no number of seconds."""
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isascii() and asked.isdigit() else 0.0


def _client() -> httpx2.Client:
    client = default_client_factory()
    hooks = client.event_hooks
    client.event_hooks = {"request": [*hooks["request"], hold_request], "response": [*hooks["response"], hold_response]}
    return client


set_client_factory(_client)
