"""What stands between the network and the pages: who may ask, and what a browser is told about the answers.

Knows: the headers of a request and of an answer; it notes which address a browser was led to from elsewhere. Does not
know: Streamlit's own checks, which stay: `allowedHosts` for its socket, and XSRF for uploads. A Host that is not
expected is how another site reaches a server on this machine through a name of its own (DNS rebinding); an Origin that
is not this server is another page that wants its socket.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from pages.shared import links_seen

#: Sent with every answer: no other site may frame a page, and nothing is taken for another type than it says it is.
HEADERS = {
    "content-security-policy": "frame-ancestors 'none'",
    "x-frame-options": "DENY",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
REFUSED = (
    "This server does not answer under that name. Open it under the address that it printed, or add the name to "
    "server.allowedHosts in .streamlit/config.toml."
)


class Guard:
    """Middleware that lets requests through whose Host is allowed, and sockets that this server's own pages open."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        host, allowed = headers.get("host", ""), config.get_option("server.allowedHosts")
        if not is_allowed(host, allowed) or (
            scope["type"] == "websocket" and not same_server(headers.get("origin"), host)
        ):
            await _refuse(scope, receive, send)
        else:
            if scope["type"] == "http" and scope["method"] == "GET":
                links_seen.arrived(scope["query_string"].decode("latin-1"), headers, host)
            await self._app(scope, receive, _with_headers(send) if scope["type"] == "http" else send)


def is_allowed(host: str, allowed: list[str] | None) -> bool:
    """Whether a Host header names one of the allowed hosts, on any port. Nothing is checked where none are named."""
    if not allowed or "*" in allowed:
        return True
    try:
        name = urlsplit(f"//{host}").hostname
    except ValueError:  # brackets of an address that are not closed
        return False
    return name in {(urlsplit(f"//{one}").hostname or one).lower() for one in allowed}


def only_this_machine() -> bool:
    """Whether nobody on another machine can reach the pages: the server listens here only, and answers to no other
    name, as it would behind a proxy."""
    names = {config.get_option("server.address"), *(config.get_option("server.allowedHosts") or ["*"])}
    return names <= {"localhost", "127.0.0.1", "::1"}


def same_server(origin: str | None, host: str) -> bool:
    """Whether a page of this very server asks: the same name and the same port. Programs send no Origin."""
    return origin is None or urlsplit(origin).netloc.lower() == host.lower()


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sent


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    answer: Any = PlainTextResponse(REFUSED, status_code=421)
    await answer(scope, receive, send)
