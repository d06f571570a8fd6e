"""A visitor of a served page without a browser: Streamlit's own messages over its websocket.

Knows: the protocol, as far as a page's numbers and widgets need it. Does not know: what a page computes. It takes a
fiftieth of a browser's time, so many visitors can come at once.
"""

from __future__ import annotations

import re
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import parse_qsl, urlencode

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Subprotocol

#: Seconds that one run of a page may take.
PATIENCE = 240.0
_STRIP = ":gray[refusal score]"


@dataclass
class Visitor:
    """One visit, from the opening of a page to its end; use as a context manager."""

    address: str
    page: str = ""
    query: dict[str, str] = field(default_factory=dict)
    strip: str = ""
    chat_input: str = ""
    exceptions: list[str] = field(default_factory=list)

    def __enter__(self) -> Visitor:
        url = self.address.replace("http://", "ws://") + "/_stcore/stream"
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(connect(url, subprotocols=[Subprotocol("streamlit")], max_size=None))
        self._known: dict[str, ForwardMsg] = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def open(self, page: str = "", **query: str) -> Visitor:
        """Open a page by a link with these parameters, and wait until it stands."""
        self.page, self.query = page, query
        return self._run()

    def type_prompt(self, text: str) -> Visitor:
        """Type a request and press Enter."""
        return self._run(text)

    @property
    def scores(self) -> list[float]:
        """The refusal scores in the strip: unedited, and edited where there are edits."""
        return [float(text.replace("\N{MINUS SIGN}", "-")) for text in re.findall(r"[+\N{MINUS SIGN}\d.]+", self.strip)]

    def _run(self, typed: str | None = None) -> Visitor:
        ask = BackMsg()
        ask.rerun_script.query_string = urlencode(self.query)
        ask.rerun_script.page_name = self.page
        if typed is not None:
            state = ask.rerun_script.widget_states.widgets.add()
            state.id = self.chat_input
            state.chat_input_value.data = typed
        self._socket.send(ask.SerializeToString())
        self.strip, end = "", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            message = ForwardMsg()
            message.ParseFromString(self._socket.recv(timeout=PATIENCE))  # type: ignore[arg-type]
            if message.WhichOneof("type") == "ref_hash":
                message = self._known[message.ref_hash]
            elif message.hash:
                self._known[message.hash] = message
            kind = message.WhichOneof("type")
            if kind == "delta":
                self._met(message)
            elif kind == "page_info_changed":
                found = message.page_info_changed.query_string
                self.query = dict(parse_qsl(found))
            elif kind == "script_finished":
                return self
        raise TimeoutError("the page was not done in time")

    def _met(self, message: ForwardMsg) -> None:
        element = message.delta.new_element
        kind = element.WhichOneof("type")
        if kind == "markdown" and element.markdown.body.startswith(_STRIP):
            self.strip = element.markdown.body.removeprefix(_STRIP)
        elif kind == "chat_input":
            self.chat_input = element.chat_input.id
        elif kind == "exception":
            self.exceptions.append(element.exception.message)
