"""Contrast between two colours as WCAG 2.1 counts it. Knows: “#rrggbb”. Does not know: where colours are from."""

from __future__ import annotations


def contrast(first: str, second: str) -> float:
    """1 for the same colour, 21 for black on white."""
    dark, light = sorted((_luminance(first), _luminance(second)))
    return (light + 0.05) / (dark + 0.05)


def tinted(ground: str, colour: str, share: float) -> str:
    """The ground with a layer of the colour over it, as opaque as `share` says."""
    pairs = zip(_parts(ground), _parts(colour), strict=True)
    return "#" + "".join(f"{round(under + share * (over - under)):02x}" for under, over in pairs)


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(colour: str) -> float:
    linear = [part / 255 / 12.92 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in _parts(colour)]
    return sum(share * part for share, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
