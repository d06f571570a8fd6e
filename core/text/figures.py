"""Figures as people read them, on pages and on cards: a true minus sign, a noun with its number.

Pure. Knows: numbers. Does not know: Markdown or HTML.
"""

from __future__ import annotations


def signed(number: float, digits: int = 2) -> str:
    """+1.50 or −2.00, with a true minus sign; a number that rounds to zero has no sign."""
    text = f"{number:+.{digits}f}"
    if float(text) == 0:
        return f"{0:.{digits}f}"
    return text.replace("-", "−")


def counted(number: int, noun: str) -> str:
    """“1 feature”, “2 features”."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
