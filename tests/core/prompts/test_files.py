"""Prompt lists in every format, and files that are not what they say."""

import io
import json

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import InputError
from core.prompts.files import ONE_PER_LINE, read_pasted, read_prompts, write_prompts

TEXTS = ["How do I bake bread?", "Schreib ein Gedicht über „Brot“, bitte", "two\nlines"]


def as_parquet(table):
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


TABLE = pd.DataFrame({"id": [1, 2, 3], "goal": TEXTS, "target": ["Sure, here is a very long answer indeed"] * 3})
FILES = {
    "a.txt": "\n".join([TEXTS[0], "", "  " + TEXTS[1] + " "]).encode(),
    "bom.TXT": "\ufeff".encode() + "\n".join(TEXTS[:2]).encode(),
    "a.csv": TABLE.to_csv(index=False).encode(),
    "a.tsv": TABLE.to_csv(index=False, sep="\t").encode(),
    "a.json": json.dumps(TEXTS).encode(),
    "objects.json": TABLE.to_json(orient="records").encode(),
    "columns.json": json.dumps({"id": [1, 2, 3], "goal": TEXTS}).encode(),
    "wrapped.json": json.dumps({"data": [{"goal": t} for t in TEXTS], "version": 1}).encode(),
    "a.jsonl": "\n".join(json.dumps({"goal": t}) for t in TEXTS).encode() + b"\n\n",
    "a.parquet": as_parquet(TABLE),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_the_texts(name):
    found = read_prompts(FILES[name], name)
    expected = TEXTS[:2] if name.lower().endswith("txt") else TEXTS
    assert found.prompts() == expected and found.suggested in ("goal", "prompt")


def test_a_column_can_be_chosen_and_must_be_where_no_name_tells():
    found = read_prompts(b"a,b\nx,a longer text\ny,another one\n", "x.csv")
    assert found.suggested == "b" and found.prompts("a") == ["x", "y"] and found.columns == ("a", "b")
    with pytest.raises(InputError, match=r"no column's name says .* Choose one of a, b \(--column"):
        found.rows()
    with pytest.raises(InputError, match=r"no text column “c”\. Choose one of a, b"):
        found.prompts("c")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.pkl", b"x"),
        ("a", b"x"),
        ("a.json", b"{"),
        ("a.json", b"3"),
        ("a.json", b"[1, 2]"),
        ("a.parquet", b"PAR1 not"),
        ("a.txt", b"\xff\xfe\x00"),
        ("a.txt", b" \n\n"),
        ("a.csv", b""),
        ("a.jsonl", b'{"a": "x"}\nnot json'),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(name, data):
    with pytest.raises(InputError) as caught:
        read_prompts(data, name)
    assert len(str(caught.value)) < 250 and "\n" not in str(caught.value)


ACCENTS = "Wie koche ich „Käse“ für 3 €?"


@pytest.mark.parametrize(
    ("encoding", "read_as", "warned"),
    [
        ("utf-8", "utf-8", False),
        ("utf-8-sig", "utf-8-sig", False),
        ("utf-16", "utf-16", False),
        ("utf-32", "utf-32", False),
        ("cp1252", "cp1252", True),
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.json", "a.jsonl"])
def test_encodings_are_told_apart_and_a_guess_is_said(name, encoding, read_as, warned):
    text = {
        "a.txt": ACCENTS,
        "a.csv": f"prompt\n{ACCENTS}\n",
        "a.json": json.dumps([ACCENTS], ensure_ascii=False),
        "a.jsonl": json.dumps({"prompt": ACCENTS}, ensure_ascii=False),
    }[name]
    found = read_prompts(text.encode(encoding), name)
    assert found.prompts() == [ACCENTS] and found.encoding == read_as and bool(found.warning) is warned
    assert not warned or ("not UTF-8 (byte" in found.warning and "cp1252" in found.warning)


def test_utf_16_of_either_order_and_bytes_that_even_old_windows_leaves_out():
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        assert read_prompts(mark + ACCENTS.encode(encoding), "a.txt").prompts() == [ACCENTS]
    found = read_prompts(b"caf\xe9 \x81", "a.txt")
    assert (found.encoding, found.prompts()) == ("latin-1", ["café \x81"]) and "latin-1" in found.warning


@pytest.mark.parametrize("data", [b"\xff\xfea", b"\x00\xe9\x00", b"\xef\xbb\xbf\xe9"])
def test_bytes_that_are_no_text_are_one_sentence(data):
    with pytest.raises(InputError, match=r"a\.txt .*UTF-8"):
        read_prompts(data, "a.txt")


def test_rows_are_those_of_the_file_and_prompts_those_with_text():
    found = read_prompts(b'[{"a": " x "}, {"a": ""}, {"a": null}, {"a": 3}, {"a": "y"}]', "a.json")
    assert found.rows() == [" x ", "", "", "", "y"] and found.prompts() == ["x", "y"]


WRITABLE = st.text(alphabet=st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=20).map(str.strip)


@pytest.mark.parametrize("ending", ["txt", "csv", "tsv", "json", "jsonl", "parquet"])
@given(texts=st.lists(WRITABLE.filter(bool), min_size=1, max_size=6))
def test_what_is_written_is_read_back_as_it_is(ending, texts, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / f"a.{ending}"
    write_prompts(texts, path)
    found = read_prompts(path.read_bytes(), path.name)
    assert found.prompts() == texts and found.suggested == "prompt" and not found.warning


@pytest.mark.parametrize("ending", ["csv", "tsv", "json", "jsonl", "parquet"])
def test_prompts_of_several_lines_are_written_where_the_format_can(ending, tmp_path):
    texts = ['two\nlines, "quoted"', "a\tb\n\nc"]
    write_prompts(texts, tmp_path / f"a.{ending}")
    assert read_prompts((tmp_path / f"a.{ending}").read_bytes(), f"a.{ending}").prompts() == texts
    with pytest.raises(InputError, match="several lines"):
        write_prompts(texts, tmp_path / "a.txt")


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    for path, said in (
        (tmp_path / "a.pkl", "cannot be written. Use one of"),
        (tmp_path / "no" / "a.csv", "Choose another"),
    ):
        with pytest.raises(InputError, match=said):
            write_prompts(["a"], path)


PASTED = {
    "a table, separated by commas": TABLE.to_csv(index=False),
    "a table, separated by tabs": TABLE.to_csv(index=False, sep="\t"),
    "a table, separated by semicolons": TABLE.to_csv(index=False, sep=";"),
    "JSON": json.dumps(TEXTS),
    "JSON, one object per line": "\n".join(json.dumps({"goal": text}) for text in TEXTS),
}


@pytest.mark.parametrize("layout", PASTED)
def test_what_is_pasted_is_taken_apart(layout):
    found = read_pasted(PASTED[layout])
    assert (found.layout, found.prompts()) == (layout, TEXTS)


@pytest.mark.parametrize(
    "text",
    [
        "Write a text, question or goal\nBake bread, please",  # commas, but no usual name
        "goal,target\nOpen it, please, now",  # rows of another width
        "prompt",  # a header without rows
        "[INST] Open the box [/INST]\n[INST] Shut it [/INST]",  # begins like JSON
        '"Open it\nShut it',  # a quotation mark that is never closed
        "prompt,prompt\na,b",
        "a\ud800b",
    ],
)
def test_what_is_pasted_and_is_no_table_is_a_prompt_a_line(text):
    found = read_pasted(text)
    assert found.layout == ONE_PER_LINE and len(found.prompts()) == len(text.splitlines())


@given(st.text(min_size=1))
def test_any_pasted_text_is_read_or_is_one_sentence(text):
    try:
        assert read_pasted(text).prompts()
    except InputError as error:
        assert str(error).endswith(".")
