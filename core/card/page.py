"""The frame of a card's page: one HTML file with no script that runs, nothing from elsewhere, and its data inside.

Knows: where the data stands in the page and what guards both. Does not know: what is shown (`sections.py`) or read.
The data is a block of type application/json, which no browser runs; its “<” are written as \\u003c, so no text in it
can end the block. A content security policy forbids every script and every request, whatever else should go wrong.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

#: What every card's page has near its beginning, so that one cut short is still recognised.
MARK = '<meta name="generator" content="hydrascope card">'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_BLOCK = re.compile(
    r'<script type="application/json" id="hydrascope-card" data-page="(?P<digest>[0-9a-f]{16})">'
    r"(?P<data>[^<]*)</script>"
)
_STYLE = Path(__file__).with_name("card.css")


class PageParts(NamedTuple):
    """data: the JSON. stated, found: the digest of the visible page, as written in it and as it is."""

    data: str
    stated: str
    found: str


def whole_page(title: str, body: str, held: Mapping[str, Any]) -> str:
    """The page. title, body: HTML in which every text is escaped. held: what `card_json` gave."""
    before = (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{MARK}\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n{body}\n"
    )
    after = "\n</body>\n</html>\n"
    data = json.dumps(held, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    block = '<script type="application/json" id="hydrascope-card" data-page="{}">{}</script>'
    return before + block.format(_digest(before + after), data) + after


def page_parts(text: str) -> PageParts | None:
    """The data of a page and its two digests; None where there is no whole data block."""
    found = _BLOCK.search(text)
    if found is None or not text.rstrip().endswith("</html>"):
        return None
    visible = text[: found.start()] + text[found.end() :]
    return PageParts(found["data"], found["digest"], _digest(visible))


def _digest(visible: str) -> str:
    """Line ends and blanks at both ends do not count: mail programs change them."""
    lines = visible.replace("\r\n", "\n").strip()
    return hashlib.sha256(lines.encode("utf-8", "surrogatepass")).hexdigest()[:16]
