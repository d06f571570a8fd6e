"""Sizes as people write and read them: “6GB”, “512 MiB”. Pure functions; knows no file and no device."""

from __future__ import annotations

import re

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_size(text: str) -> int:
    """Bytes, written with or without a unit, in any case. Raises ValueError for what is no size."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?", text.strip().lower())
    if found is None:
        raise ValueError(text)
    return int(float(found[1]) * _UNITS[found[2] or ""])


def size_text(size: float) -> str:
    """Bytes as people write them: “5.2 GB”, “93 MB”."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
