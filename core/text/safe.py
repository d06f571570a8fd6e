"""Text for a terminal, in which nothing can move the cursor, change colours, or hide what stands there.

Knows: control characters. Does not know: what is printed. Names and labels come from files and from servers.
"""

from __future__ import annotations

import re
from typing import Any

#: C0 but tab and line feed, DEL, C1; line and paragraph separators; marks that turn the direction of text.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def safe_text(text: str) -> str:
    """Control characters, and halves of surrogate pairs, spelt as JSON spells them (\\u001b)."""
    return _CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class SafeStream:
    """A text stream that writes `safe_text` to another. Everything else is the other's."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """As of any text stream."""
        return int(self._stream.write(safe_text(text)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
