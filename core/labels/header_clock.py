"""Connections of requests whose answers must have all their headers within so many seconds.

Knows: urllib3's connections. Does not know: what is asked. A time-out is between two bytes, so a server that sends a
byte of a header now and then would be waited for without end.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

#: Seconds from the question to the last header of its answer.
HEADER_SECONDS = 30.0

R = TypeVar("R")


class LateHeadersError(ValueError):
    """The headers of an answer were not complete in time."""


class _Connection(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _in_time(super().getresponse, self.sock)


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        return _in_time(super().getresponse, self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class ClockedAdapter(HTTPAdapter):
    """requests' adapter over such connections, through a proxy too. A late answer raises LateHeadersError."""

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **named)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager


def _in_time(read: Callable[[], R], connection: socket.socket) -> R:
    late = threading.Event()

    def shut() -> None:
        late.set()
        with suppress(OSError, ValueError):  # it has come to its end meanwhile
            connection.shutdown(socket.SHUT_RDWR)

    clock = threading.Timer(HEADER_SECONDS, shut)
    clock.daemon = True
    clock.start()
    try:
        answer = read()
    except Exception as error:
        if late.is_set():
            raise LateHeadersError(f"its headers took longer than {HEADER_SECONDS:.0f} seconds") from error
        raise
    finally:
        clock.cancel()
    if late.is_set():
        raise LateHeadersError(f"its headers took longer than {HEADER_SECONDS:.0f} seconds")
    return answer
