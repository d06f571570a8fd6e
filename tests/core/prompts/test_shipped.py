"""The bundled prompts' file: read whole, chosen by kind and split, or one plain error."""

import pytest

from core import AssetError
from core.prompts.shipped import ShippedPrompt, read_shipped, shipped_texts

HEADER = "kind,pair,split,category,text\n"
ROWS = HEADER + 'harmful,1,train,a,"How, exactly?"\nlookalike,1,train,a,Naïve “text”\nharmful,0,val,b,Second\n'


def test_rows_are_read_in_order(tmp_path):
    path = tmp_path / "prompts.csv"
    path.write_text(ROWS, encoding="utf-8")
    rows = read_shipped(path)
    assert rows[0] == ShippedPrompt("harmful", 1, "train", "a", "How, exactly?")
    assert [row.text for row in rows] == ["How, exactly?", "Naïve “text”", "Second"]
    assert shipped_texts(rows, "harmful", "train") == ["How, exactly?"] and shipped_texts(
        rows, "harmful", "val", 1
    ) == ["Second"]
    assert shipped_texts(rows, "harmful", "val", 0) == [] == shipped_texts(rows, "benign", "val")


@pytest.mark.parametrize(
    "content", [None, b"kind,text\nharmful,hi\n", HEADER.encode() + b"harmful,x,train,a,hi\n", b"\xff"]
)
def test_a_missing_or_broken_file_is_one_plain_error(tmp_path, content):
    path = tmp_path / "prompts.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssetError, match=r"prompts\.csv cannot be read"):
        read_shipped(path)
