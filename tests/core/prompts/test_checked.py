"""Lists that are checked as they are read: what is kept, with its category, and what is told of the rest."""

import pytest

from core import InputError
from core.prompts.checked import check_list
from core.prompts.checks import MOST_CHARACTERS
from core.prompts.public_sets import PromptList

ROWS = ("One", "one", "", "b\ufffdd", "", "Two words", "one")
READ = PromptList(ROWS, "list.json", ("Look.",), ("a", "b", "c", "c", "c", "", "d"), ("Read.",), {4: "a number"})


def test_kept_rows_keep_their_category_and_the_others_are_told():
    checked = check_list(READ)
    assert checked.found.rows == checked.report.kept == ("One", "Two words")
    assert checked.found.categories == ("a", "") and not checked.found.not_text
    notes = "\n".join(checked.notes())
    assert notes.startswith("Read.\nLook.\nIn several categories: 1 prompt. Row 2 has “b”")
    assert "2 of 7 prompts kept; dropped: 1 empty, 1 not text, 2 duplicate, 1 damaged." in notes
    for line in ("row 2: duplicate, the same as row 1", "row 4: damaged", "row 5: not text, a number"):
        assert line in notes
    assert check_list(checked.found).found == checked.found


def test_nothing_is_told_of_a_list_that_is_kept_whole():
    assert check_list(PromptList(("a", "b"), "x")).some().notes() == ()


def test_a_list_with_nothing_left_is_one_sentence():
    with pytest.raises(InputError, match=r"None of the 2 rows of x can be used as a prompt. The first: row 1: empty"):
        check_list(PromptList(("", "\x00"), "x")).some()


def test_a_model_s_context_is_a_limit_and_prose_may_fill_it(tiny):
    whole = tiny.context_length
    words = "hello " * (whole // 4)  # of three tokens each
    assert whole // 2 < len(tiny.tokenizer(words.strip()).input_ids) <= whole
    read = PromptList(("hello", words, "hello " * (2 * whole)), "x")
    requests = check_list(read, tiny.tokenizer, whole)
    assert requests.found.rows == ("hello",) and requests.report.counts == {"too long": 2}
    assert check_list(read, tiny.tokenizer, whole, prose=True).found.rows == ("hello", words.strip())
    long = PromptList(("é" * (MOST_CHARACTERS + 1),), "x")
    assert not check_list(long).found.rows and check_list(long, prose=True).found.rows == long.rows
