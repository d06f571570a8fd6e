"""Text in lines of so many pixels: whole, or with a mark where it is cut."""

from __future__ import annotations

import pytest

from pages.audit.wrapped import wrapped

ADDRESS = "http://127.0.0.1:8501/?prompt=" + "+".join(f"word{n}" for n in range(60)) + "&pin=5-800,5-1981"


@pytest.mark.parametrize("width", [40, 228, 480])
def test_an_address_is_there_whole(width):
    lines = wrapped(ADDRESS, width, 12)
    assert "".join(lines) == ADDRESS and len(lines) > 1


def test_words_stay_whole_where_they_fit():
    text = " ".join(f"word{n}" for n in range(60))
    lines = wrapped(text, 240, 15, bold=True)
    assert " ".join(lines) == text and all(line == line.strip() for line in lines)
    assert len(wrapped("x" * 50, 240, 12)) < len(wrapped("M" * 50, 240, 12)) <= len(wrapped("中" * 50, 240, 12))
    assert wrapped("", 240, 12) == wrapped("  \n", 240, 12) == []


def test_what_is_cut_has_a_mark():
    lines = wrapped("a b c " * 100, 240, 12, most=3)
    assert len(lines) == 3 and lines[-1].endswith("…") and not lines[0].endswith("…")
    assert wrapped("short", 240, 12, most=3) == ["short"]
