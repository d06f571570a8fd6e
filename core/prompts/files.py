"""Prompt lists from files that people have or from what they paste: txt, csv, json, jsonl, parquet, a column to choose.

Knows: file formats and character encodings. Does not know: models, or which prompts are any good
(`core.prompts.checks`). Nothing is unpickled or fetched. This is the one way in which a file of prompts is read.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePath

import pandas as pd

from core.errors import InputError

#: File endings that can be read.
ENDINGS = ("txt", "csv", "tsv", "json", "jsonl", "parquet")
#: Columns that hold the prompt in public sets, most telling first.
_USUAL = ("prompt", "instruction", "goal", "text", "question", "behavior", "forbidden_prompt", "request", "input")
#: Byte-order marks, UTF-32's before UTF-16's, which begins the same way.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
#: Columns that say what kind of request a prompt is, the finest division first.
_CATEGORIES = ("subcategory", "category", "semanticcategory", "harm_category", "type")
ONE_PER_LINE = "one request per line"
#: How each kind of file is taken apart, in words.
_LAYOUTS = {
    "txt": ONE_PER_LINE,
    "csv": "a table, separated by commas",
    "tsv": "a table, separated by tabs",
    "json": "JSON",
    "jsonl": "JSON, one object per line",
    "parquet": "a Parquet table",
}
_PASTED = "The pasted text"
_SEPARATORS = {"\t": "separated by tabs", ",": "separated by commas", ";": "separated by semicolons"}
#: More than this is surely not a prompt list, and would fill the page's memory.
MOST_BYTES = 200_000_000


@dataclass(frozen=True)
class PromptFile:
    """A table read from a file. `columns`: those that hold text; `suggested`: the likeliest to hold the prompts.

    encoding: how its bytes were read as characters. warning: what to look at because of that, a sentence, or empty.
    layout: how it was taken apart, such as “one request per line”.
    """

    name: str
    table: pd.DataFrame
    columns: tuple[str, ...]
    suggested: str
    encoding: str = "utf-8"
    warning: str = ""
    layout: str = ""

    def prompts(self, column: str | None = None) -> list[str]:
        """The texts of a column, outer white space and empty rows dropped, order kept. Raises InputError."""
        return [text for text in map(str.strip, self.rows(column)) if text]

    def rows(self, column: str | None = None) -> list[str]:
        """A column as it stands in the file, row by row; what is no text is an empty one. Raises InputError."""
        chosen = self.suggested if column is None else column
        if chosen not in self.columns:
            raise InputError(f"{self.name} has no text column “{chosen}”. Choose one of {', '.join(self.columns)}.")
        return [text if isinstance(text, str) else "" for text in self.table[chosen]]

    @property
    def category_column(self) -> str | None:
        """The column that divides the prompts into categories, by its name; None where no column has such a name."""
        names = {name.strip().lower(): name for name in reversed(self.columns)}
        return next((names[usual] for usual in _CATEGORIES if usual in names), None)

    def categories(self, column: str | None = None) -> list[str]:
        """The category of every row, in the order of `rows`, empty where a row has none. column: the usual one when
        None; without any such column there are no categories at all, an empty list. Raises InputError."""
        chosen = self.category_column if column is None else column
        return [] if chosen is None else [text.strip() for text in self.rows(chosen)]


def read_prompts(data: bytes, name: str) -> PromptFile:
    """Read a prompt list. Raises InputError with what is wrong and how to fix it."""
    ending = PurePath(name).suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        raise InputError(f"{name} ends in “.{ending}”, which cannot be read. Use one of {', '.join(ENDINGS)}.")
    if len(data) > MOST_BYTES:
        raise InputError(f"{name} is larger than {MOST_BYTES // 10**6} MB. Use a file with only the prompts.")
    try:
        text, encoding, warning = ("", "binary", "") if ending == "parquet" else decode(data, name)
        table = pd.read_parquet(io.BytesIO(data)) if ending == "parquet" else _table(text, ending)
    except InputError:
        raise
    except Exception as error:  # each library raises its own kinds; all mean that the file is not what its name says
        raise InputError(f"{name} cannot be read as {ending} ({str(error).splitlines()[0]:.120}).") from error
    return _prompt_file(name, table, _LAYOUTS[ending], encoding, warning)


def _prompt_file(name: str, table: pd.DataFrame, layout: str, encoding: str = "utf-8", warning: str = "") -> PromptFile:
    table = table.rename(columns=str)
    columns = tuple(c for c in table.columns if table[c].map(lambda v: isinstance(v, str) and bool(v.strip())).any())
    if not columns:
        raise InputError(f"{name} has no text. Use a file with one prompt per line or row.")
    return PromptFile(name, table, columns, _suggest(table, columns), encoding, warning, layout)


def read_pasted(text: str) -> PromptFile:
    """Read what somebody pasted. Raises InputError where it has no text.

    JSON, and a table whose header names a usual column, are taken apart where all of it fits; else each line is a
    prompt.
    """
    for ending in ("json", "jsonl") if text.lstrip().startswith(("[", "{")) else ():
        with suppress(Exception):  # as in `read_prompts`; and text that only begins like JSON is none
            return _prompt_file(_PASTED, _table(text, ending), _LAYOUTS[ending])
    for separator, words in _SEPARATORS.items():
        if (table := _pasted_table(text, separator)) is not None:
            return _prompt_file(_PASTED, table, f"a table, {words}")
    return _prompt_file(_PASTED, _table(text, "txt"), ONE_PER_LINE)


def read_file(path: str | Path) -> PromptFile:
    """Read a file of prompts, or of prompts and answers, from this machine. Raises InputError."""
    where = Path(path)
    try:
        data = where.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); give a file ({', '.join(ENDINGS)})."
        ) from error
    return read_prompts(data, where.name)


def decode(data: bytes, name: str) -> tuple[str, str, str]:
    """(text, encoding, warning) of a file's bytes. Raises InputError where they are no text.

    A byte-order mark decides; else UTF-8; else the two encodings of old Windows and Unix files, with a warning, since
    nothing in such bytes tells whether the guess is right.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), encoding, ""
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{name} begins like {encoding} text but is not valid {encoding} (at byte {error.start:,}). "
                    "Save it as UTF-8."
                ) from error
    try:
        return data.decode("utf-8"), "utf-8", ""
    except UnicodeDecodeError as error:
        if b"\0" in data:
            raise InputError(f"{name} contains bytes that are not text. Use a text file saved as UTF-8.") from error
        start = error.start
    for encoding in ("cp1252", "latin-1"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:  # cp1252 leaves five bytes undefined; latin-1 takes them all
            continue
        warning = f"{name} is not UTF-8 (byte {start:,}) and was read as {encoding}. Check that accents are right."
        return text, encoding, warning
    raise AssertionError("latin-1 reads every byte")


def write_prompts(texts: Sequence[str], path: Path, categories: Sequence[str] = ()) -> None:
    """Write a list that `read_prompts` reads back as it is, in the format its ending says. categories: of each text,
    or none; a txt file has no place for them. Raises InputError."""
    columns = {"prompt": list(texts)} | ({"category": list(categories)} if categories else {})
    ending, table = path.suffix.lower().removeprefix("."), pd.DataFrame(columns, dtype=str)
    if ending not in ENDINGS:
        raise InputError(f"{path.name} ends in “.{ending}”, which cannot be written. Use one of {', '.join(ENDINGS)}.")
    if ending == "txt" and any(len(text.splitlines()) > 1 for text in texts):
        raise InputError(f"Some prompts have several lines, which {path.name} cannot store. Use csv or jsonl.")
    try:
        if ending == "parquet":
            table.to_parquet(path, index=False)
        elif ending in ("csv", "tsv"):
            table.to_csv(path, index=False, sep="," if ending == "csv" else "\t", lineterminator="\n")
        elif ending == "txt":
            path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8", newline="\n")
        elif ending == "json":
            found = table.to_dict("records") if categories else list(texts)
            path.write_text(json.dumps(found, ensure_ascii=False, indent=0), encoding="utf-8")
        else:
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in table.to_dict("records"))
            path.write_text("".join(lines), encoding="utf-8", newline="\n")
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}). Choose another file.") from error


def _pasted_table(text: str, separator: str) -> pd.DataFrame | None:
    """The table below a header that names a usual column; None where the text is no such table."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text), delimiter=separator) if any(map(str.strip, row))]
    except csv.Error:
        return None
    names = [name.strip() for name in rows[0]] if len(rows) > 1 else []
    if len(set(names)) < len(names) or not any(name.lower() in _USUAL for name in names):
        return None
    fits = all(len(row) == len(names) for row in rows)
    return pd.DataFrame(rows[1:], columns=names, dtype=object) if fits else None


def _table(text: str, ending: str) -> pd.DataFrame:
    if ending == "txt":
        return pd.DataFrame({"prompt": text.splitlines()}, dtype=object)  # pasted text may hold half a surrogate pair
    if ending in ("csv", "tsv"):
        return pd.read_csv(io.StringIO(text), sep="," if ending == "csv" else "\t", dtype=str, keep_default_na=False)
    if ending == "jsonl":
        return _from_json([json.loads(line) for line in text.splitlines() if line.strip()])
    return _from_json(json.loads(text))


def _from_json(found: object) -> pd.DataFrame:
    if isinstance(found, dict):
        lists = [v for v in found.values() if isinstance(v, list)]
        if len(lists) == 1:  # {"data": [...]}
            return _from_json(lists[0])
        return pd.DataFrame(found)  # columns of equal length
    if not isinstance(found, list):
        raise InputError("The file contains one value, not a list. Use a list of texts or objects.")
    if all(isinstance(entry, str) for entry in found):
        return pd.DataFrame({"prompt": found})
    return pd.DataFrame(found)


def _suggest(table: pd.DataFrame, columns: tuple[str, ...]) -> str:
    by_name = {c.strip().lower(): c for c in reversed(columns)}
    for usual in _USUAL:
        if usual in by_name:
            return by_name[usual]
    return max(columns, key=lambda c: table[c].map(lambda v: len(v) if isinstance(v, str) else 0).mean())
