"""Tables as text: the one way of taking them apart that fits every row, or the row that does not fit."""

import csv
import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.prompts.columns import MOST_COLUMNS
from core.prompts.files import read_prompts
from core.prompts.tables import SEPARATORS, read_separated
from core.text.csv_text import unmarked

HEADER = ["id", "prompt", "notes"]


def written(rows, separator, quoting=csv.QUOTE_MINIMAL, end="\r\n"):
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting, lineterminator=end).writerows(rows)
    return out.getvalue()


CELLS = st.text(alphabet=st.sampled_from("ab,;|\t \"'“é\\\u2028"), max_size=8).map(str.strip)


@given(
    rows=st.lists(st.tuples(CELLS.filter(bool), CELLS.filter(bool), CELLS), min_size=1, max_size=6),
    separator=st.sampled_from(list(SEPARATORS)),
    ending=st.sampled_from(["csv", "tsv"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_the_csv_module_wrote_with_any_separator_is_read_back(rows, separator, ending, end):
    text = written([HEADER, *rows], separator, csv.QUOTE_ALL, end)
    read = read_separated(text, "f", ending)
    wanted = [tuple(map(unmarked, row[:2])) for row in rows]  # as our own tables come back
    assert [tuple(row) for row in read.frame[HEADER[:2]].itertuples(index=False)] == wanted
    assert SEPARATORS[separator] in read.layout


REFUSED = {
    "unquoted comma": (
        "id,prompt\n1,How do I bake, well?\n2,Hello\n",
        r"row 1 \(line 2\) has 3 fields, but the header",
    ),
    "longer only once": ("goal,target\na,b\nc,d,\n", r"row 2 \(line 3\) has 3 fields, but the header has 2"),
    "shorter": ("id,prompt,x\n1,a,b\n2,a\n", r"row 2 \(line 3\) has 2 fields"),
    "a line break": ("id,prompt,x\n1,How do I\nbake bread,food\n", r"row 1 \(line 2\) has 2 fields"),
    "backslash": ('id,prompt\n1,"He said \\"hi\\", and"\n', r"row 1 \(line 2\) has a quotation mark"),
    "never closed": ('id,prompt\n1,"How do I\n2,b\n', r"row 1 \(lines 2 to 3\) has a quotation mark"),
    "closed by an inch": ('id,prompt\n1,"How do I\n2,b\n3,What is 5"\n', r"lines 2 to 4 can be one row .* 3 rows"),
    "space before": ('id,prompt\n1, "How do I"\n', r"row 1 \(line 2\) has a space before a quotation mark"),
    "no header": ("1,How do I bake bread?,food\n2,Tell me,art\n", "header may be missing"),
    "numbers": ("0,1\na,b\n", "“0” in the first row does not look like a column's name"),
    "two separators": ("id,prompt;x\n1,a;b\n", "could be separated by commas or semicolons"),
    "unknown separator": ("id^prompt\n1^How do I\n", "which may be several that are separated by “\\^”"),
    "twice": ("prompt,prompt\na,b\n", "several columns named “prompt”"),
    "only a header": ("id,prompt\n", "has one row"),
    "a list without a header": ("Tell me how to bake it\nb\n", "header may be missing"),
    "lines with commas": ("prompt\nHow do I bake, well?\n", r"row 1 \(line 2\) has 2 fields, but the header has 1"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_refused_with_its_row(case):
    text, said = REFUSED[case]
    with pytest.raises(InputError, match=said) as caught:
        read_prompts(text.encode(), "f.csv")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("f.tsv", "1\tx\n".join(["id\tprompt\n", ""]) + '2\t"Hello" she said\n', ["x", '"Hello" she said']),
        ("f.csv", "sep=;\r\nid;prompt\r\n1;a, b\r\n", ["a, b"]),
        ("f.csv", "\n\nid,prompt\n\n1,a\n,,\n \n2,b\n", ["a", "b"]),
        ("f.csv", "id,prompt,,\n1,a,,\n2,b,,\n", ["a", "b"]),
        ("f.csv", 'prompt\n"two\nlines"\n', ["two\nlines"]),
        ("f.csv", 'id,prompt\n1,"a ""b"", c"\n2,5" pipe\n', ['a "b", c', '5" pipe']),
        ("f.tsv", "prompt|id\na\tb|1\n", ["a\tb"]),
    ],
)
def test_what_can_be_read_in_one_way_is_read(name, text, rows):
    assert read_prompts(text.encode(), name).rows() == rows


def test_a_field_over_several_lines_and_a_lone_unusual_name_are_told():
    assert "1 row of f.csv (the first is row 1) span" in read_prompts(b'prompt\n"two\nlines"\n', "f.csv").warning
    assert "The first row (“Bake bread”) was read as names" in read_prompts(b"Bake bread\nx\n", "f.csv").warning


def test_a_very_long_field_is_read():
    assert read_prompts(b"id,prompt\n1," + b"x" * 1_000_000, "f.csv").rows() == ["x" * 1_000_000]


@given(st.binary(max_size=60).map(lambda data: b"id,prompt\n" + data), st.sampled_from(["f.csv", "f.tsv", "f.txt"]))
def test_any_bytes_are_read_or_are_one_sentence(data, name):
    try:
        read_prompts(data, name).rows()
    except InputError as error:
        assert str(error).endswith((".", ").")) and "\n" not in str(error)


@pytest.mark.parametrize(
    ("text", "ending", "says"),
    [
        ('"prompt","category"\n"He said \\"hi\\", and","a"\n"b","b"\n', "tsv", "quotation mark"),
        ('"prompt"\t"category"\n"He said \\"hi\\" and"\ta\n', "tsv", "quotation mark"),
        ("prompt,category\nHow,a\n\nprompt,category\nBake,b\n", "csv", r"row 2 \(line 4\) is the header again"),
        ("prompt\nHow\nprompt\nBake\n", "csv", r"row 2 \(line 3\) is the header again"),
    ],
)
def test_rows_are_no_prompts_by_accident(text, ending, says):
    with pytest.raises(InputError, match=says):
        read_separated(text, "f", ending)


def test_a_table_of_a_thousand_columns_is_read_at_once_and_a_wider_one_refused():
    wide = [f"c{number}" for number in range(MOST_COLUMNS - 1)]
    start = time.perf_counter()
    text = f"prompt,{','.join(wide)}\n" + f"hello,{',' * (len(wide) - 1)}x\n" * 20
    assert read_prompts(text.encode(), "f.csv").rows() == ["hello"] * 20
    rows = [{"prompt": "hello", **dict.fromkeys(wide, 1)}] * 20
    assert read_prompts(json.dumps(rows).encode(), "f.json").rows() == ["hello"] * 20
    assert time.perf_counter() - start < 5


MANY = [f"c{number}" for number in range(100_000)]
WIDE = {
    "a.csv": ",".join(MANY) + "\n" + "," * (len(MANY) - 1) + "x\n",
    "b.json": json.dumps([dict.fromkeys(MANY, "x")]),
    "c.jsonl": "".join(json.dumps({name: "x"}) + "\n" for name in MANY[:5000]),
    "d.json": json.dumps({"columns": MANY, "data": [["x"] * len(MANY)]}),
    "e.json": json.dumps({name: ["x"] for name in MANY}),
    "f.json": json.dumps([{"prompt": "x"}] * 25_000 + [{"prompt": "x"} | dict.fromkeys(MANY[:900], "x")]),
}


@pytest.mark.parametrize("name", WIDE)
def test_what_is_far_too_wide_is_one_sentence_at_once(name):
    start = time.perf_counter()
    with pytest.raises(InputError, match=r"columns, more than (1,000\.|20,000,000 values)"):
        read_prompts(WIDE[name].encode(), name)
    assert time.perf_counter() - start < 5


def test_a_field_twice_among_many_is_found_at_once():
    text = "[{" + ",".join(f'"{name}": 1' for name in [*MANY, MANY[-1]]) + "}]"
    start = time.perf_counter()
    with pytest.raises(InputError, match="the field “c99999” is there twice"):
        read_prompts(text.encode(), "f.json")
    assert time.perf_counter() - start < 5
