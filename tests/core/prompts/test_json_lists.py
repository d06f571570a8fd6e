"""JSON in the shapes that people and tools write: read where it can mean one thing, else refused by its shape."""

import io
import json
from decimal import Decimal

import pandas as pd
import pytest

from core import InputError
from core.prompts.files import read_prompts

TABLE = pd.DataFrame({"id": [1, 2], "prompt": ["a", "b"]})
USER = {"role": "user", "content": "a"}

READ = {
    "objects": TABLE.to_json(orient="records"),
    "lines": TABLE.to_json(orient="records", lines=True),
    "split": TABLE.to_json(orient="split"),
    "rows by number": TABLE.to_json(orient="index"),
    "columns by number": TABLE.to_json(orient="columns"),
    "columns": TABLE.to_json(orient="columns").replace('{"0":', "[").replace('"1":', "").replace("}", "]")[:-1] + "}",
    "wrapped": json.dumps({"data": [{"prompt": "a"}, {"prompt": "b"}], "version": 2}),
    "wrapped twice": json.dumps({"data": {"items": [{"prompt": "a"}, {"prompt": "b"}]}}),
    "viewer": json.dumps(
        {"features": [], "rows": [{"row": {"prompt": t}, "truncated_cells": []} for t in "ab"], "num_rows_total": 9}
    ),
    "texts by line": '"a"\n"b"\n',
    "list of one line": '["a", "b"]',
    "messages": json.dumps([{"messages": [USER]}, {"messages": [{"role": "user", "content": "b"}]}]),
    "with answers": json.dumps(
        [{"conversations": [{"from": "human", "value": t}, {"from": "gpt", "value": "no"}]} for t in "ab"]
    ),
    "prompts as messages": json.dumps([{"prompt": [{"role": "user", "content": t}]} for t in "ab"]),
    "parts": json.dumps([{"messages": [{"role": "user", "content": [{"type": "text", "text": t}]}]} for t in "ab"]),
}


def is_one_object(text):
    return text.startswith("{") and not text.rstrip().count("\n")


@pytest.mark.parametrize("ending", ["json", "jsonl"])
@pytest.mark.parametrize("shape", READ)
def test_a_shape_that_means_one_thing_is_read(shape, ending):
    # On one line, an object would be one row of JSON lines.
    text = (
        json.dumps(json.loads(READ[shape]), indent=1)
        if ending == "jsonl" and is_one_object(READ[shape])
        else READ[shape]
    )
    found = read_prompts(text.encode(), f"f.{ending}")
    assert found.rows() == ["a", "b"] and found.suggested == "prompt"
    assert ("holds 2 of the 9 rows" in found.warning) is (shape == "viewer")


REFUSED = {
    "different length": ('{"id": [1], "prompt": ["a", "b"]}', r"columns of different length \(id: 1, prompt: 2\)"),
    "several lists": ('{"train": [{"prompt": "a"}], "test": [{"prompt": "b"}]}', r"several lists \(train, test\)"),
    "a field twice": ('[{"prompt": "a", "prompt": "b"}]', "the field “prompt” is there twice"),
    "lists in a list": ('[["a", 1]]', "entry 1 of the list is a list"),
    "mixed": ('["a", {"prompt": "b"}]', "entry 2 of the list is an object"),
    "an object of texts": ('{"1": "a", "2": "b"}', r"fields \(1, 2\) are no lists"),
    "rows or columns": ('{"x": {"y": "a"}, "z": {"y": "b"}}', "which can be rows or columns"),
    "a conversation": (json.dumps([{"messages": [USER, {"role": "assistant", "content": "x"}, USER]}]), "row 1: “mess"),
    "a system prompt": (
        json.dumps([{"messages": [{"role": "system", "content": "x"}, USER]}]),
        r"conversation \(system",
    ),
    "some messages": (json.dumps([{"messages": [USER]}, {"messages": ["a"]}]), "row 2: “messages” holds no chat"),
    "cut by a viewer": (
        json.dumps({"rows": [{"row": {"prompt": "a"}, "truncated_cells": ["prompt"]}]}),
        "row 1 was cut",
    ),
    "cut off": ('[{"prompt": "a"}, {"pro', "cannot be read as json"),
    "too deep": ("[" * 100_000, "nested too deeply"),
    "one value": ("3", "contains one value"),
}


@pytest.mark.parametrize("shape", REFUSED)
def test_another_shape_is_named(shape):
    text, said = REFUSED[shape]
    with pytest.raises(InputError, match=said) as caught:
        read_prompts(text.encode(), "f.json").rows()
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_line_that_is_no_json_is_told_by_its_number():
    with pytest.raises(InputError, match=r"line 3 is not JSON"):
        read_prompts(b'{"prompt": "a"}\n\n{"prompt": ', "f.jsonl")
    with pytest.raises(InputError, match="line 2 is a list and not an object"):
        read_prompts(b'{"prompt": "a"}\n["b"]\n', "f.jsonl")
    with pytest.raises(InputError, match="texts and objects"):
        read_prompts(b'{"prompt": "a"}\n"b"\n', "f.jsonl")


def test_json_under_the_name_of_plain_text_is_refused():
    with pytest.raises(InputError, match="holds JSON"):
        read_prompts(b'{"prompt": "a"}\n{"prompt": "b"}\n', "f.txt")
    assert read_prompts(b'["a" is not JSON\n', "f.txt").rows() == ['["a" is not JSON']


def test_a_prompt_beside_messages_is_the_prompt_and_what_differs_is_told():
    def row(prompt, message):
        return {"prompt": prompt, "messages": [{"role": "user", "content": message}]}

    found = read_prompts(json.dumps([row("a", "a"), row("b", "x")]).encode(), "f.json")
    assert found.rows() == found.rows("prompt") == ["a", "b"] and found.rows("messages") == ["a", "x"]
    assert "1 row of f.json (the first is row 2) have another text in “messages” than in “prompt”" in found.warning
    assert "not read: messages" in found.sentence()
    assert not read_prompts(json.dumps([row("a", "a")]).encode(), "f.json").warning
    turns = [{"role": role, "content": "t"} for role in ("user", "assistant", "user")]
    talk = read_prompts(json.dumps([{"prompt": "a", "messages": turns}]).encode(), "f.json")
    assert talk.rows() == ["a"] and "not read: messages" in talk.sentence()


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([10000001, 10000002], ["10000001", "10000002"]),
        ([2**63 + 1, 10**30], [str(2**63 + 1), str(10**30)]),
        ([1.0, 2.5], ["1", "2.5"]),
        ([1234567.5, 1234567.25], ["1234567.5", "1234567.25"]),
        ([3, "x"], ["3", "x"]),
    ],
)
def test_numbers_as_categories_keep_all_digits(values, wanted):
    rows = [{"prompt": str(value), "category": value} for value in values]
    assert read_prompts(json.dumps(rows).encode(), "f.json").categories() == wanted


def test_whole_numbers_of_a_column_with_a_gap_stay_whole_numbers():
    out = io.BytesIO()
    numbers = pd.Series([10000001, None, Decimal("10000002")], dtype=object).map(
        lambda v: None if v is None else Decimal(v)
    )
    pd.DataFrame({"prompt": list("abc"), "category": numbers}).to_parquet(out)
    assert read_prompts(out.getvalue(), "f.parquet").categories() == ["10000001", "", "10000002"]
    out = io.BytesIO()
    pd.DataFrame({"prompt": list("ab"), "category": pd.Series([10000001, None], dtype="Int64")}).to_parquet(out)
    assert read_prompts(out.getvalue(), "f.parquet").categories() == ["10000001", ""]
