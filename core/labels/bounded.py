"""Answers over HTTP, read to a limit: so many bytes unpacked, so many seconds in all, and no further.

Knows: requests. Does not know: what is asked for. A server may send without end, byte by byte, or a few bytes that
unpack to gigabytes.
"""

from __future__ import annotations

import gzip
import io
import time
from collections.abc import Iterator

import requests

#: Bytes asked for at a time. What they unpack to is counted before more are read.
_PIECE = 2**16


class TooMuchError(ValueError):
    """More bytes, or seconds, than such an answer can take."""


def read_body(answer: requests.Response, most_bytes: int, most_seconds: float) -> bytes:
    """The body of an answer that was asked for with stream=True, its Content-Encoding undone.

    Raises TooMuchError, and what requests raises.
    """
    begun, parts, read = time.monotonic(), list[bytes](), 0
    for piece in answer.iter_content(_PIECE):
        parts.append(piece)
        read += len(piece)
        if read > most_bytes:
            raise TooMuchError(f"it is larger than {most_bytes // 10**6} MB")
        if time.monotonic() - begun > most_seconds:
            raise TooMuchError(f"it took longer than {most_seconds:.0f} seconds")
    return b"".join(parts)


def lines_within(data: bytes, most_bytes: int, most_line: int) -> Iterator[bytes]:
    """The lines of a file that may be packed by gzip. Raises TooMuchError, and what gzip raises."""
    stream = gzip.GzipFile(fileobj=io.BytesIO(data)) if data[:2] == b"\x1f\x8b" else io.BytesIO(data)
    read = 0
    while line := stream.readline(most_line + 1):
        read += len(line)
        if read > most_bytes or len(line) > most_line:
            raise TooMuchError("it is far larger unpacked than any bulk file")
        yield line
