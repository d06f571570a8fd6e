"""Errors in words that a person can read between brackets."""

import json

import pytest

from core.text.json_text import json_value
from core.text.reasons import reason_of


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"{", "no JSON at line 1, column 2"),
        (b"\xff\xfe\xff", "it holds bytes that are no text"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b"7" * 10_000, "it holds a number with hundreds of digits"),
    ],
)
def test_what_is_no_json_is_said_in_plain_words(text, says):
    with pytest.raises(ValueError) as caught:
        json_value(text)
    assert str(caught.value) == says


def test_the_words_of_python_are_not_shown():
    assert reason_of(KeyError("layer")) == "“layer” is missing"
    assert reason_of(OSError(28, "No space left on device", "/x")) == "No space left on device"
    assert reason_of(ValueError("first.\nsecond")) == "first"
    assert reason_of(RuntimeError()) == "RuntimeError"
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads("[1,\n}")
    assert reason_of(caught.value) == "no JSON at line 2, column 1"
