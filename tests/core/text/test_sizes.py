"""Sizes: written shortly and truly, read as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.sizes import parse_size, size_text


@given(st.integers(0, 10**12))
def test_sizes_are_written_shortly_and_truly(size):
    text = size_text(size)
    number, unit = text.split()
    value = float(number) * {"bytes": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}[unit]
    assert abs(value - size) <= max(0.051 * size, 0.0) and len(text) <= 10


@pytest.mark.parametrize(
    ("text", "size"), [("6GB", 6 * 10**9), ("1.5 GiB", 3 * 2**29), ("512mib", 2**29), (" 0 ", 0), ("10 kB", 10_000)]
)
def test_a_size_is_read_as_people_write_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "lots", "-1GB", "GB", "1e9", "1,5GB", "nan"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError):
        parse_size(text)
