"""Text broken into lines of so many pixels, for a picture: nothing is left out without a mark.

Knows: about how wide letters are. Does not know: which font a machine has, so it counts on a wide one.
"""

from __future__ import annotations

import unicodedata

#: Widths of Arial's letters as a share of the font size, at most; others are between.
_NARROW, _WIDE = set("iljtfrI.,:;'|!()[]{}-/\\ `"), set("mwMW%@&…")
_SHARES = {"narrow": 0.34, "wide": 1.02, "capital": 0.78, "full": 1.1, "usual": 0.6}
#: How much wider other fonts are, and bold letters.
_OTHER_FONTS, _BOLD = 1.1, 1.08


def wrapped(text: str, width: float, size: float, *, bold: bool = False, most: int | None = None) -> list[str]:
    """Lines of at most `width` pixels at a font size, broken at spaces where there are some, else anywhere. most: how
    many lines; where there are more, the last ends with “…”."""
    scale = size * _OTHER_FONTS * (_BOLD if bold else 1.0)
    lines, line, used = list[str](), "", 0.0
    for word in _pieces(text):
        long = sum(map(_share, word)) * scale
        if line and used + long > width and not word.isspace():
            lines, line, used = [*lines, line.rstrip()], "", 0.0
        for letter in word:
            share = _share(letter) * scale
            if line and used + share > width and not letter.isspace():
                lines, line, used = [*lines, line], "", 0.0
            if line or not letter.isspace():
                line, used = line + letter, used + share
    lines += [line.rstrip()] if line.strip() else []
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], lines[most - 1][:-1].rstrip() + "…"]
    return lines


def _pieces(text: str) -> list[str]:
    """Words and single spaces, in order."""
    found: list[str] = []
    for letter in text:
        if letter.isspace() or not found or found[-1].isspace():
            found.append(" " if letter.isspace() else letter)
        else:
            found[-1] += letter
    return found


def _share(letter: str) -> float:
    if unicodedata.east_asian_width(letter) in "WF":
        return _SHARES["full"]
    if letter in _NARROW:
        return _SHARES["narrow"]
    if letter in _WIDE:
        return _SHARES["wide"]
    return _SHARES["capital" if letter.isupper() else "usual"]
