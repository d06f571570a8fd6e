"""Prompts that have two labels: left out of both lists, counted, and compared as within a list."""

import pytest

from core.errors import InputError
from core.prompts.lists_apart import lists_apart
from core.prompts.shipped import prompts_file, read_shipped


def test_lists_without_a_prompt_in_common_stay_as_they_are():
    assert lists_apart(["a", "b"], ["c"]) == (("a", "b"), ("c",), "") and lists_apart([], ["c"]).benign == ("c",)


def test_what_stands_in_both_is_left_out_of_both_and_counted():
    found = lists_apart(["Make it.", "Take it.", "Break it."], ["Bake it.", "TAKE  it.", "See it."])
    assert found.harmful == ("Make it.", "Break it.") and found.benign == ("Bake it.", "See it.")
    assert found.said.startswith("1 prompt stands in the harmful and in the benign list, and was left out of both.")
    assert "“Take it.”" in found.said
    assert lists_apart("abc", "bcd").said.startswith("2 prompts stand in") and lists_apart("abc", "bc").benign == ()


def test_one_list_given_twice_is_refused():
    with pytest.raises(InputError, match="Every harmful prompt stands in the benign list too"):
        lists_apart(["a", "b"], ["b", "A", "c"])


def test_the_shipped_lists_have_no_prompt_in_common():
    rows = read_shipped(prompts_file())
    kinds = [[row.text for row in rows if (row.kind == "harmful") == harmful] for harmful in (True, False)]
    assert all(kinds) and lists_apart(*kinds).said == ""
