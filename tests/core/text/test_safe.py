"""Text for a terminal: controls and characters that it does not have are spelt as JSON spells them."""

import io
import json

import pytest

from core.text.safe import SafeStream, shown_in


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "utf-8", "utf-16", None])
def test_json_in_any_encoding_is_the_same_json(encoding):
    value = {"ä…": "é😀\u202e\x1b z"}
    out = io.BytesIO()
    stream = io.TextIOWrapper(out, encoding=encoding or "utf-8")
    SafeStream(stream).write(json.dumps(value, ensure_ascii=False))
    stream.flush()
    assert json.loads(out.getvalue().decode(encoding or "utf-8")) == value


def test_only_what_the_encoding_has_not_is_spelt():
    assert shown_in("é…😀", "latin-1") == "é\\u2026\\ud83d\\ude00"
    assert shown_in("é…😀", "utf-8") == shown_in("é…😀", None) == "é…😀"
    memory = io.StringIO()
    SafeStream(memory).write("é…")
    assert memory.getvalue() == "é…"
