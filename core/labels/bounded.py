"""Answers over HTTP, read to a limit: so many bytes unpacked, so many seconds in all, and no further.

Knows: requests. Does not know: what is asked for. A server may send without end, byte by byte, or a few bytes that
unpack to gigabytes.
"""

from __future__ import annotations

import gzip
import io
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urljoin

import requests
from urllib3.util.retry import Retry

from core.labels.header_clock import ClockedAdapter, LateHeadersError

#: Answers after which asking again can help, and how many redirects are followed.
BUSY, MOST_HOPS = (429, 500, 502, 503, 504), 5
#: Bytes asked for at a time. What they unpack to is counted before more are read.
_PIECE = 2**16


class TooMuchError(ValueError):
    """More bytes, seconds or redirects than such an answer can take."""


class Limits(NamedTuple):
    """Of one answer: bytes unpacked, and seconds in all."""

    bytes: int
    seconds: float


class Patience(NamedTuple):
    """retries: further tries after BUSY answers, with `backoff`·2ⁿ seconds between them, or as long as Retry-After
    says; longest: seconds that one pause may be. timeout: seconds to connect, and between two bytes."""

    retries: int
    backoff: float
    longest: float
    timeout: tuple[float, float]


class _Session(requests.Session):
    """Redirects are answers like others: requests would read their bodies to the end even where it does not follow."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def ask(url: str, headers: Mapping[str, str], limits: Limits, patience: Patience) -> tuple[int, bytes]:
    """Status and body of an answer; the body, its Content-Encoding undone, of status 200 alone. Redirects are followed
    only where nothing secret is sent along (no headers), a few times, and never to an address without encryption.

    Raises TooMuchError, and what requests raises.
    """
    # A connection that is lost or silent is tried once more, since somebody waits. Errors and redirects are not left
    # to urllib3 and requests, which read them to their end before they go on.
    again = Retry(min(1, patience.retries), status=0, backoff_factor=patience.backoff, respect_retry_after_header=False)
    tries, hops = 0, 0
    # A session of its own: requests does not promise that one can be shared between threads.
    with _Session() as session:
        for scheme in ("http://", "https://"):
            session.mount(scheme, ClockedAdapter(max_retries=again))
        while True:
            try:
                answer = session.get(url, headers=headers, timeout=patience.timeout, stream=True)
            except LateHeadersError as error:
                raise TooMuchError(str(error)) from error
            with answer:
                if answer.status_code == 200:
                    return 200, read_body(answer, limits)
                pause = _pause(answer, patience, tries)
                if answer.is_redirect and not headers and hops < MOST_HOPS:
                    url, hops = next_place(url, answer.headers["Location"]), hops + 1
                    continue
                if answer.status_code not in BUSY or tries == patience.retries:
                    return answer.status_code, b""
            tries += 1
            time.sleep(pause)


def _pause(answer: requests.Response, patience: Patience, tries: int) -> float:
    asked = answer.headers.get("Retry-After", "")
    pause = float(asked) if asked.isascii() and asked.isdigit() else patience.backoff * 2.0**tries
    return min(pause, patience.longest)


def next_place(url: str, place: str) -> str:
    """Where a redirect leads. Raises TooMuchError where nobody should follow."""
    try:
        place = urljoin(url, place)
    except ValueError as error:
        raise TooMuchError("it leads to an address that is none") from error
    if not place.startswith("https://" if url.startswith("https://") else ("http://", "https://")):
        raise TooMuchError("it leads to an address that is not followed")
    return place


def read_body(answer: requests.Response, limits: Limits) -> bytes:
    """The body of an answer that was asked for with stream=True, its Content-Encoding undone.

    Raises TooMuchError, and what requests raises.
    """
    begun, parts, read = time.monotonic(), list[bytes](), 0
    # A piece that comes byte by byte would be waited for however long that takes: its connection is shut down then.
    clock = threading.Timer(limits.seconds, _shut, (answer,))
    clock.daemon = True
    clock.start()
    try:
        for piece in answer.iter_content(_PIECE):
            parts.append(piece)
            read += len(piece)
            if read > limits.bytes:
                raise TooMuchError(f"it is larger than {limits.bytes // 10**6} MB")
    except requests.RequestException:
        if time.monotonic() - begun < limits.seconds:
            raise
    finally:
        clock.cancel()
    if time.monotonic() - begun >= limits.seconds:
        raise TooMuchError(f"it took longer than {limits.seconds:.0f} seconds")
    return b"".join(parts)


def _shut(answer: requests.Response) -> None:
    with suppress(OSError, ValueError):  # it has come to its end meanwhile
        answer.raw.shutdown()


def lines_within(data: bytes, most_bytes: int, most_line: int) -> Iterator[bytes]:
    """The lines of a file that may be packed by gzip. Raises TooMuchError, and what gzip raises."""
    stream = gzip.GzipFile(fileobj=io.BytesIO(data)) if data[:2] == b"\x1f\x8b" else io.BytesIO(data)
    read = 0
    while line := stream.readline(most_line + 1):
        read += len(line)
        if read > most_bytes or len(line) > most_line:
            raise TooMuchError("it is far larger unpacked than any bulk file")
        yield line
