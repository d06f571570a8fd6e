"""Other people's text is shown as text."""

import ast
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as some

from core.paths import PROGRAM_FOLDER
from pages.shared.text import counted, escaped, plain, signed, visible


@pytest.mark.parametrize("text", ["**b**", "$x$", ":red[a]", "[a](b)", "<b>", "`c`", "# h", ":material/home:", "~~s~~"])
def test_nothing_is_left_for_markdown_to_read(text):
    found = plain(text)
    for place, character in enumerate(found):
        if character in "*$:[]()<>`#~_":
            assert found[place - 1] == "\\"
    assert found.replace("\\", "") == text


def test_long_text_is_cut_before_it_is_escaped():
    assert plain("*" * 100, most=5) == r"\*\*\*\*…"


def test_line_breaks_become_spaces():
    assert plain("a\n\n b") == "a b"


@given(some.text())
def test_html_holds_no_markup(text):
    assert not set(escaped(text)) & set("<>\"'")
    assert html.unescape(escaped(text)) == html.unescape(html.escape(text))


def test_blanks_of_a_token_are_seen():
    assert visible(" a\n") == "␣a↵"
    assert visible("") == "∅"


def test_numbers_have_a_true_minus_and_zero_no_sign():
    assert signed(1.5) == "+1.50" and signed(-2.004) == "−2.00" and signed(-0.001) == "0.00"


def test_counts_agree_with_their_noun():
    assert counted(1, "feature") == "1 feature" and counted(1200, "edit") == "1,200 edits"


@pytest.mark.parametrize("file", sorted((PROGRAM_FOLDER / "pages").glob("*/*.py")), ids=lambda path: path.name)
def test_what_can_be_grey_says_why(file):
    """Every widget that can be disabled has a tooltip, in which a person reads what it waits for."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = {word.arg for word in node.keywords} if isinstance(node, ast.Call) else set()
        assert "disabled" not in names or "help" in names, f"{file.name}:{getattr(node, 'lineno', 0)}"


@pytest.mark.parametrize(
    "folder", ["audit", "bos", "discover", "features", "hydra", "judges", "models", "study", "shared"]
)
def test_numbers_with_a_sign_are_written_by_signed(folder):
    """Python's own “+” format writes an ASCII hyphen. Charts' formats are the browser's, which writes a true minus."""
    for file in (PROGRAM_FOLDER / "pages" / folder).glob("*.py"):
        found = re.findall(r"{[^{}\n]*:\+[^{}\n]*}", file.read_text(encoding="utf-8"))
        assert file.name == "text.py" or not found, (file.name, found)
