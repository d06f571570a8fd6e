"""Layers as text: read, and written back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.text.layers import layers_option, layers_text, parse_layers


@pytest.mark.parametrize(
    ("text", "layers"), [("", ()), (" 14, 12,14,", (12, 14)), ("2-4,9", (2, 3, 4, 9)), ("3–3", (3,)), ("0", (0,))]
)
def test_what_people_write(text, layers):
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["a", "1.5", "-1", "4-2", "0-9999", "12 14", "99999", "1;2"])
def test_what_are_no_layers(text):
    with pytest.raises(InputError, match=r"is not a list of layers\. Write numbers"):
        parse_layers(text)


def test_an_option_without_a_number_is_not_all_layers():
    assert layers_option(None) == () and layers_option("2-3") == (2, 3)
    for text in ("", " ", ","):
        with pytest.raises(InputError, match=r"names no layer\. Write numbers"):
            layers_option(text)


@given(st.sets(st.integers(0, 200)))
def test_what_is_written_is_read_back(layers):
    assert parse_layers(layers_text(layers)) == tuple(sorted(layers))


def test_neighbours_are_drawn_together():
    assert layers_text((2, 3, 4, 7, 8, 12)) == "2–4, 7, 8, 12"
