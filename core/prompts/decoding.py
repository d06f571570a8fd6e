"""From a file's bytes to its text: encodings, byte-order marks, gzip, and bytes that are no text at all.

Knows: how files begin that are often given a wrong ending, and how text is encoded. Does not know: tables or prompts.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from typing import NamedTuple

from core.errors import InputError
from core.text.pointers import is_pointer, pointer_sentence
from core.text.reasons import reason_of

#: More than this is surely not a prompt list, and would fill the page's memory.
MOST_BYTES = 200_000_000
#: Byte-order marks, UTF-32's before UTF-16's, which begins the same way.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GZIP = b"\x1f\x8b"
#: How files begin that are no text, whatever their names say.
_NO_TEXT = (
    (b"PK\x03\x04", "a zip archive or a spreadsheet (xlsx, ods)"),
    (b"\xd0\xcf\x11\xe0", "an old spreadsheet or document (xls, doc)"),
    (b"%PDF-", "a PDF"),
    (b"PAR1", "a Parquet table"),
    (b"ARROW1", "an Arrow table"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd"),
    (b"BZh", "compressed with bzip2"),
    (b"\xfd7zXZ", "compressed with xz"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"{\\rtf", "an RTF document"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
)
_WEB_PAGE = re.compile(rb"\s*(?:<!doctype html|<html[\s>])", re.IGNORECASE)
#: From this share of NUL bytes on, text is UTF-16 or UTF-32 without a mark; below it, some characters are damaged.
_NULS = 0.1


class Decoded(NamedTuple):
    """text; encoding: how its bytes were read as characters; warning: what to look at because of that, or empty."""

    text: str
    encoding: str
    warning: str


def too_large(name: str) -> InputError:
    """What to say of a file that is larger than `MOST_BYTES`."""
    return InputError(f"{name} is larger than {MOST_BYTES // 10**6} MB. Use a file with only the prompts.")


def unzipped(data: bytes, name: str) -> tuple[bytes, str]:
    """The bytes and name of what a gzip file holds; anything else as it is. Raises InputError.

    Read to the limit and no further, so that a small file cannot fill the memory.
    """
    if not data.startswith(_GZIP):
        return data, name
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            found = file.read(MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{name} is a damaged gzip file ({reason_of(error)}). Unpack it, or copy it again.") from error
    if len(found) > MOST_BYTES:
        raise too_large(f"{name}, unpacked,")
    return found, name[:-3] if name.lower().endswith(".gz") else name


def decode(data: bytes, name: str) -> Decoded:
    """The text of a file's bytes. Raises InputError where they are no text.

    A byte-order mark decides; else UTF-8; else, where next to nothing in it is UTF-8, the two encodings of old Windows
    and Unix files, with a warning, since nothing in such bytes tells whether the guess is right. UTF-8 with a few
    damaged bytes keeps a replacement character for each, with a warning.
    """
    if is_pointer(data):
        raise InputError(pointer_sentence(name))
    for beginning, what in _NO_TEXT:
        if data.startswith(beginning):
            raise InputError(f"{name} is not text but {what}. Save the prompts as csv, json or txt, in UTF-8.")
    if _WEB_PAGE.match(data):
        raise InputError(f"{name} is a web page, not a list of prompts. Download the file itself.")
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return _marked(data, encoding, name)
    if data.count(0) > _NULS * len(data):
        raise InputError(
            f"{name} contains bytes that are not text (NUL); it may be UTF-16 without a byte-order mark. Save it as "
            "UTF-8."
        )
    try:
        return Decoded(data.decode("utf-8"), "utf-8", "")
    except UnicodeDecodeError as error:
        start = error.start
    if b"\0" in data:
        raise InputError(f"{name} contains bytes that are not text. Use a text file saved as UTF-8.")
    return _damaged(data, name, start) or _old(data, name, start)


def _marked(data: bytes, encoding: str, name: str) -> Decoded:
    try:
        return Decoded(data.decode(encoding), encoding, "")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} begins like {encoding} text but is not valid {encoding} (at byte {error.start:,}). "
            "Save it as UTF-8."
        ) from error


def _damaged(data: bytes, name: str, start: int) -> Decoded | None:
    """UTF-8 with some damaged bytes: more of its characters beyond ASCII are whole than are not. None for another."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd") - data.count("\ufffd".encode())
    whole = sum(not character.isascii() for character in text) - broken
    if broken >= whole:
        return None
    line = data.count(b"\n", 0, start) + 1
    return Decoded(
        text,
        "utf-8",
        f"{name} is UTF-8 with damaged bytes (the first is byte {start:,}, in line {line:,}). Rows with such bytes are "
        "damaged. Save the file again, or mend them.",
    )


def _old(data: bytes, name: str, start: int) -> Decoded:
    for encoding in ("cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:  # cp1252 leaves five bytes undefined; latin-1 takes them all
            continue
        warning = f"{name} is not UTF-8 (byte {start:,}) and was read as {encoding}. Check that accents are right."
        return Decoded(text, encoding, warning)
    raise AssertionError("latin-1 reads every byte")


def lines_of(text: str) -> list[str]:
    """The lines of a text, which end at line feeds and carriage returns alone.

    `str.splitlines` also ends them at U+2028, U+0085 and others, which stand within texts.
    """
    lines = re.split("\r\n|\n|\r", text)
    return lines[:-1] if lines[-1] == "" else lines
