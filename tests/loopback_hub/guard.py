"""Nothing connects outside this machine: a guard on Python's sockets, for a whole process.

Knows: socket addresses and names of this machine. Does not know: HTTP. It does not see sockets opened by compiled
libraries themselves; of those that are used here only hf_xet does, and tests/conftest.py switches it off.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from typing import Any


class OutsideConnection(BaseException):
    """Something tried to leave this machine. No Exception: code that forgives a missing network must not hide it."""


def only_loopback() -> None:
    """From now on, in this process, connecting to another machine or asking for its address raises."""
    if getattr(socket, "_only_loopback", False):
        return
    socket._only_loopback = True  # type: ignore[attr-defined]
    for name in ("connect", "connect_ex", "sendto"):
        setattr(socket.socket, name, _guarded(getattr(socket.socket, name)))
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        _check(host)
        return resolve(host, *arguments, **options)

    socket.getaddrinfo = getaddrinfo


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    def guarded(self: socket.socket, *arguments: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6):
            _check(arguments[-1][0])  # the address is the last argument of all three
        return method(self, *arguments)

    return guarded


def _check(host: Any) -> None:
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        inside = ipaddress.ip_address(name)
        allowed = inside.is_loopback or inside.is_unspecified
    except ValueError:
        allowed = False
    if not allowed:
        raise OutsideConnection(f"A test tried to reach {name}; tests may talk to this machine only.")
