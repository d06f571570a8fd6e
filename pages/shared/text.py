"""Other people's text made safe to show: prompts, tokens, labels and answers are shown as text, never as markup.

Pure functions on strings. Knows: what Streamlit's Markdown and a browser's HTML would interpret. Does not know: pages.
"""

from __future__ import annotations

import html
import re

from core.text.figures import counted as counted
from core.text.figures import signed as signed

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!~|$<>:&=^@/\"'])")


def plain(text: str, most: int | None = None) -> str:
    """For a Markdown label: every character that Markdown, LaTeX or a directive could read is escaped.

    most: longest text in characters before it is cut with an ellipsis. Line breaks become spaces.
    """
    flat = " ".join(text.split())
    if most is not None and len(flat) > most:
        flat = flat[: most - 1].rstrip() + "…"
    return _MARKDOWN.sub(r"\\\1", flat)


def escaped(text: str) -> str:
    """For HTML, in text and in quoted attributes."""
    return html.escape(text, quote=True)


def visible(piece: str) -> str:
    """A token with its blanks made visible: ␣ for a space, ↵ for a line break, ⇥ for a tab."""
    return piece.replace(" ", "␣").replace("\n", "↵").replace("\r", "↵").replace("\t", "⇥") or "∅"


def probability(number: float) -> str:
    """Three digits, and no certainty that rounding made up."""
    if number > 0.9995:
        return "> 0.999"
    return "< 0.001" if number < 0.0005 else f"{number:.3f}"


def duration(seconds: float) -> str:
    """“40 s”, “12 min”, “3 h 20 min”; never less than a second."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
