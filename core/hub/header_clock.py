"""Answers of a hub whose headers must be complete within so many seconds.

Knows: the events of httpx2's “trace” extension. Does not know: what is asked. A time-out is between two bytes, so a
server that sends a byte of a header now and then would be waited for without end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from core.errors import DownloadError

#: Seconds from the question to the last header of its answer.
HEADER_SECONDS = 30.0


class HeaderClock:
    """The “trace” extension of one request, which must open a connection of its own (`Connection: close`), because
    one that was opened before is not told. Where the headers are late, the connection is shut down and DownloadError
    raised."""

    def __init__(self) -> None:
        self._late = threading.Event()
        self._stream: Any = None
        self._clock: threading.Timer | None = None

    def __call__(self, event: str, told: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._stream = told["return_value"]
        elif event.endswith("receive_response_headers.started"):
            self._clock = threading.Timer(HEADER_SECONDS, self._shut)
            self._clock.daemon = True
            self._clock.start()
        elif ".receive_response_headers." in event and self._clock is not None:
            self._clock.cancel()
            if self._late.is_set():
                raise DownloadError(
                    f"The hub's answer took longer than {HEADER_SECONDS:.0f} seconds to begin. Try again later."
                )

    def _shut(self) -> None:
        self._late.set()
        with suppress(OSError, ValueError):  # it has come to its end meanwhile
            self._stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
