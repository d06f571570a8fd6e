"""Tables as CSV: nothing in them is run by a spreadsheet, and nothing is lost."""

from __future__ import annotations

import csv
import io
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.prompts.files import read_prompts
from core.text.csv_text import csv_text, marked, unmarked

WOULD_RUN = ["=1+1", "+49", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("https://x","y")']


@pytest.mark.parametrize("text", WOULD_RUN)
def test_no_cell_begins_as_a_formula_does(text: str) -> None:
    written = csv_text(pd.DataFrame({"prompt": [text], text: ["x"]}))
    cells = [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]
    assert all(cell[0] not in "=+-@\t\r\n" for cell in cells)
    assert cells[2] == "'" + text


@given(st.text(st.sampled_from("'=+-@\t\r\na1 "), max_size=6))
def test_what_was_marked_comes_back(text: str) -> None:
    assert unmarked(marked(text)) == text
    assert len(marked(text)) - len(text) in (0, 1)


def test_numbers_stay_numbers() -> None:
    frame = pd.DataFrame({"a": [-1.5, math.nan], "b": [-3, 4], "c": [True, False], "d": ["x", None]})
    assert csv_text(frame) == "a,b,c,d\n-1.5,-3,True,x\n,4,False,\n"


def test_our_reader_takes_the_marks_off_and_says_so() -> None:
    texts = [*WOULD_RUN[:4], "'=kept", "plain", "it's"]
    found = read_prompts(csv_text(pd.DataFrame({"prompt": texts, "id": range(len(texts))})).encode(), "a.csv")
    assert found.rows() == texts
    assert "without the apostrophe that keeps a spreadsheet from running 5 texts" in found.sentence()


def test_there_is_no_other_way_to_write_a_csv() -> None:
    """`to_csv` and csv.writer stand in one module only."""
    root = Path(__file__).parents[3]
    files = [path for folder in ("core", "cache", "pages") for path in (root / folder).rglob("*.py")]
    writing = re.compile(r"\.to_csv\(|csv\.(Dict)?[wW]riter")
    assert [path.name for path in files if writing.search(path.read_text())] == ["csv_text.py"]
