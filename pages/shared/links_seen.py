"""Which addresses with settings came from elsewhere, and which this server wrote itself or a person has opened.

Knows: query strings, the headers by which a browser says who asked. Does not know: Streamlit, or what settings mean. A
page of another site can open any address of this server in a visitor's browser. What such an address asks for waits
for a click (`pages.shared.outside_link`). The session is no place to remember that, because a reload begins a new one.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

from core.text.json_text import json_text

#: More are forgotten, the oldest first. An address that is forgotten waits for a click once more, or needs none.
_MOST = 20_000
#: Parameters that Streamlit keeps to itself.
_STREAMLITS = ("embed", "embed_options")


class _Lately:
    """The addresses put in last."""

    def __init__(self) -> None:
        self._keys: OrderedDict[bytes, None] = OrderedDict()
        # Protects `_keys`: the server's event loop puts in, and every visitor's thread asks.
        self._lock = threading.Lock()

    def put(self, key: bytes) -> None:
        with self._lock:
            self._keys[key] = None
            self._keys.move_to_end(key)
            if len(self._keys) > _MOST:
                self._keys.popitem(last=False)

    def __contains__(self, key: object) -> bool:
        with self._lock:
            return key in self._keys


_from_elsewhere, _welcome = _Lately(), _Lately()


def arrived(query: str, headers: Mapping[str, str], host: str) -> None:
    """A browser asked for a page with this query string. headers: names in lower case."""
    if query and headers.get("sec-fetch-dest", "document") == "document" and not is_own(headers, host):
        _from_elsewhere.put(_key(parse_qs(query, keep_blank_values=True)))


def is_own(headers: Mapping[str, str], host: str) -> bool:
    """Whether a page of this server led here, or the visitor's own hand (typed, a bookmark).

    Browsers say so in Sec-Fetch-Site, but not over plain http to another machine. There a Referer of this server tells
    the same; without one, a hand cannot be told from a site that hides its name, and counts as elsewhere.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    return bool(host) and urlsplit(headers.get("referer", "")).netloc.lower() == host.lower()


def welcome(parameters: Mapping[str, Sequence[str]]) -> None:
    """This server wrote the address, or a person has read what it asks for and opened it."""
    _welcome.put(_key(parameters))


def waits(parameters: Mapping[str, Sequence[str]]) -> bool:
    """Whether an address with these parameters waits for a click."""
    key = _key(parameters)
    return key in _from_elsewhere and key not in _welcome


def _key(parameters: Mapping[str, Sequence[str]]) -> bytes:
    """What an address is known by: a digest, because a prompt may be long and thousands are remembered."""
    own = sorted((name, list(values)) for name, values in parameters.items() if name.lower() not in _STREAMLITS)
    return hashlib.sha256(json_text(own).encode()).digest()
