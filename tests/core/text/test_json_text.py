"""One writer of JSON: whatever it is given, every reader of JSON takes what it writes."""

import ast
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text import json_text as module
from core.text.json_text import json_text, json_value

ROOT = Path(module.__file__).parents[2]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(exclude_categories=()))
    | st.sampled_from(["\ud83d", "a\udc00"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)  # fmt: skip


def refuse(name):
    raise AssertionError(f"{name} is no JSON")


def expected(value):
    if isinstance(value, float) and (value != value or value in (float("inf"), -float("inf"))):
        return None
    if isinstance(value, list):
        return [expected(one) for one in value]
    return {key: expected(one) for key, one in value.items()} if isinstance(value, dict) else value


@given(VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_what_is_written_is_json_and_reads_back(value, ascii_only, indent):
    text = json_text(value, ascii_only=ascii_only, indent=indent)
    text.encode("utf-8")
    assert json.loads(text, parse_constant=refuse) == expected(value)


def test_what_it_writes_of_plain_values_is_what_json_writes():
    value = {"b": [1, 2.5, None, True, "é"], "a": {"1": -0.0}}
    assert json_text(value) == json.dumps(value)
    assert json_text(value, ascii_only=False, sort_keys=True, separators=(",", ":")) == json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )


def test_nothing_writes_json_in_another_way():
    others = set()
    for folder in ("core", "cache", "pages"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) in ("json.dumps", "json.dump"):
                    others.add(path.relative_to(ROOT).as_posix())
    assert others == {"core/text/json_text.py"}


@pytest.mark.parametrize("depth", [101, 950, 100_000])
def test_what_is_nested_too_deeply_is_no_json(depth):
    """Python's reader takes some 990 levels; whoever walks through the value then runs out of them."""
    for text in ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth):
        with pytest.raises(ValueError, match="nested too deeply"):
            json_value(text)
    assert json_value("[" * 90 + "]" * 90) and json_value("7") == 7


@pytest.mark.parametrize("digits", [1, 308, 309, 5000])
def test_an_integer_that_is_no_float_is_no_json(digits):
    text = f'{{"nll": -{"9" * (digits - 1)}}}' if digits > 1 else '{"nll": 1}'
    if digits <= 308:
        assert float(json_value(text)["nll"]) <= 1
    else:
        with pytest.raises(ValueError, match="hundreds of digits"):
            json_value(text)
