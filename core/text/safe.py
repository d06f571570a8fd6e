"""Text for a terminal, in which nothing can move the cursor, change colours, or hide what stands there.

Knows: control characters, encodings. Does not know: what is printed. Names and labels come from files and from servers.
"""

from __future__ import annotations

import codecs
import re
from typing import Any

from core.text.json_text import json_text

#: C0 but tab and line feed, DEL, C1; line and paragraph separators; marks that turn the direction of text.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def safe_text(text: str) -> str:
    """Control characters, and halves of surrogate pairs, spelt as JSON spells them (\\u001b)."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _spelt(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json_text(error.object[error.start : error.end])[1:-1], error.end


codecs.register_error("hydrascope.spelt", _spelt)


def shown_in(text: str, encoding: str | None) -> str:
    """The text, with characters that an encoding does not have spelt as JSON spells them, so that JSON stays the same
    JSON. encoding: None where there is none, as in memory."""
    if encoding is None or text.isascii():
        return text
    return text.encode(encoding, "hydrascope.spelt").decode(encoding)


class SafeStream:
    """A text stream that writes `safe_text` to another, in characters that the other has. Everything else is the
    other's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any text stream."""
        return int(self._stream.write(shown_in(safe_text(text), getattr(self._stream, "encoding", None))))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
