"""Files of reference answers: read whole, written and read back, or one sentence that names the line."""

import pytest

from core import AssetError, InputError
from core.prompts.references import (
    Reference,
    read_reference_file,
    read_references,
    references_for,
    shipped_references,
    write_references,
)

GOOD = b'{"prompt": "How?", "answer": "So.", "nll": 0.5, "tokens": 2, "model": "base", "note": 1}\n\n'


def test_a_line_is_a_prompt_and_its_answer():
    assert read_references(GOOD + b'{"prompt": " Why? ", "answer": "Because.\\n"}', "a.jsonl") == [
        Reference("How?", "So.", 0.5, 2, "base"),
        Reference("Why?", "Because."),
    ]
    assert read_references("\ufeff".encode() + GOOD, "a.jsonl")[0].prompt == "How?"


def test_what_was_written_is_read_back(tmp_path):
    several = [Reference("Ünter\u2028 “x”?", 'Two\nlines "here" 😀', 0.25, 3, "base"), Reference("b", "c", 0.0)]
    write_references(several, tmp_path / "r.jsonl")
    assert read_reference_file(tmp_path / "r.jsonl") == several == shipped_references(tmp_path / "r.jsonl")
    assert shipped_references(None) == []


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (b"{", "line 3 is not JSON"),
        (b'["a"]', "line 3 is not an object"),
        (b'{"prompt": "a"}', "line 3 has no text under “answer”"),
        (b'{"prompt": " ", "answer": "a"}', "line 3 has no text under “prompt”"),
        (b'{"prompt": 3, "answer": "a"}', "line 3 has no text under “prompt”"),
        (b'{"prompt": "a", "answer": "b", "nll": -1}', "line 3: “nll” is -1"),
        (b'{"prompt": "a", "answer": "b", "nll": NaN}', "line 3: “nll” is nan"),
        (b'{"prompt": "a", "answer": "b", "nll": "low"}', "line 3: “nll” is 'low'"),
        (b'{"prompt": "a", "answer": "b", "nll": true}', "line 3: “nll” is True"),
        (b'{"prompt": "a", "answer": "b", "tokens": 1.5}', "line 3: “tokens” is 1.5"),
        (b'{"prompt": "a", "answer": "b", "tokens": 0}', "line 3: “tokens” is 0"),
        (b'{"prompt": "a", "answer": "b", "model": 1}', "line 3: “model” is 1"),
        (b'{"prompt": "How? ", "answer": "b"}', "line 3: line 1 has the same prompt"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(line, says):
    with pytest.raises(InputError, match=r"^a\.jsonl, ") as caught:
        read_references(GOOD + line + b"\n", "a.jsonl")
    assert says in str(caught.value)


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputError, match="no reference answers"):
        read_references(b"\n \n", "a.jsonl")
    with pytest.raises(InputError, match="not text"):
        read_references(b"\xff\0\0", "a.jsonl")
    with pytest.raises(InputError, match="cannot be read"):
        read_reference_file(tmp_path / "none.jsonl")
    (tmp_path / "bad.jsonl").write_text("{")
    with pytest.raises(AssetError, match=r"shipped reference answers .* line 1 .* Restore the file"):
        shipped_references(tmp_path / "bad.jsonl")


def test_prompts_take_the_first_list_s_answer_in_their_own_order():
    mine, theirs = Reference("a", "mine"), [Reference("a", "theirs"), Reference("b", "theirs"), Reference("c", "x")]
    assert references_for(["b ", "d", "a", "b"], [mine], theirs) == (theirs[1], mine)
    assert references_for(["a"]) == ()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ('{"prompt": "a", "answer": "Ответ"}'.encode("cp1251"), "is not UTF-8"),
        ('{"prompt": "a", "answer": "éèà'.encode() + b'\xff"}', "damaged bytes"),
        ('{"prompt": "a", "answer": "so\ufffd"}'.encode(), "line 1: “answer” has a replacement character"),
        (b'{"prompt": "a", "answer": "so\\u0007"}', "line 1: “answer” has a control character, U[+]0007"),
        (b'{"prompt": "a", "answer": "one", "answer": "two"}', "line 1 is not JSON .the field “answer” is there twice"),
    ],
)
def test_what_is_only_guessed_is_refused(data, says):
    with pytest.raises(InputError, match=says):
        read_references(data + b"\n", "a.jsonl")
