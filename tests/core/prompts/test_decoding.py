"""Bytes as text: marks, compression, damage, and files that are no text."""

import gzip

import pytest

from core import InputError
from core.prompts.decoding import decode, lines_of
from core.prompts.files import read_prompts

TEXT = "prompt\nWie koche ich Käse für 3 €?\nBrot\n"
ROWS = ["Wie koche ich Käse für 3 €?", "Brot"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_wide_text_without_a_mark_is_refused(encoding):
    with pytest.raises(InputError, match="may be UTF-16 without a byte-order mark"):
        read_prompts(TEXT.encode(encoding), "f.csv")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("name", ["f.csv", "f.txt"])
def test_any_line_end(name, end):
    data = TEXT.replace("\n", end).encode()
    assert read_prompts(data, name).prompts()[-2:] == ROWS
    assert lines_of(data.decode()) == TEXT.splitlines()


def test_gzip_is_unpacked_up_to_the_limit(monkeypatch):
    packed = gzip.compress(TEXT.encode())
    assert read_prompts(packed, "f.csv.gz").rows() == read_prompts(packed, "f.csv").rows() == ROWS
    with pytest.raises(InputError, match="damaged gzip file"):
        read_prompts(packed[:-9], "f.csv.gz")
    monkeypatch.setattr("core.prompts.decoding.MOST_BYTES", 10**6)
    with pytest.raises(InputError, match="unpacked, is larger than"):
        read_prompts(gzip.compress(b"x" * 10**7), "f.txt.gz")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"PK\x03\x04rest", "zip archive or a spreadsheet"),
        (b"%PDF-1.7", "a PDF"),
        (b"PAR1rest", "a Parquet table"),
        (b"SQLite format 3\x00", "an SQLite database"),
        (b"<!DOCTYPE html><title>Sign in</title>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "Git LFS pointer"),
    ],
)
@pytest.mark.parametrize("name", ["f.csv", "f.txt", "f.jsonl"])
def test_what_is_no_text_is_told_by_its_kind(data, said, name):
    with pytest.raises(InputError, match=said):
        read_prompts(data, name)


def test_a_parquet_file_that_is_a_pointer():
    with pytest.raises(InputError, match="git lfs pull"):
        read_prompts(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "f.parquet")


def test_utf_8_with_a_damaged_byte_keeps_its_other_rows():
    data = "prompt\nKäse und Brötchen\nÄpfel\n".encode().replace("Ä".encode(), b"\xc3")
    found = decode(data, "f.csv")
    assert found.encoding == "utf-8" and "damaged bytes (the first is byte 27, in line 3)" in found.warning
    assert read_prompts(data, "f.csv").rows() == ["Käse und Brötchen", "\ufffdpfel"]


def test_a_lone_nul_damages_its_row_alone():
    assert read_prompts(b"prompt\nan ordinary request\nan odd\x00one\n", "f.csv").rows()[0] == "an ordinary request"
