"""JSON in the shapes that people and tools write: read where it can mean one thing, else refused by its shape."""

import json

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
