"""Prompt lists from files that people have or from what they paste: txt, csv, json, jsonl, parquet, a column to choose.

Knows: which reader takes which file, and how a list is written. Does not know: models, or which prompts are any good
(`core.prompts.checks`). Nothing is unpickled or fetched. This is the one way in which a file of prompts is read, and
whoever reads one can say how: `PromptFile.sentence`.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real
from pathlib import Path, PurePath
from typing import Any

import pandas as pd

from core.errors import InputError
from core.kept_files import write_to
from core.prompts.columns import USUAL, check_size, choose_column, left_out, named, text_columns
from core.prompts.decoding import MOST_BYTES, Decoded, decode, lines_of, too_large, unzipped
from core.prompts.json_lists import kind_of, messages_read, read_json
from core.prompts.tables import Table, looks_separated, read_separated
from core.text.csv_text import csv_text
from core.text.json_text import json_text
from core.text.pointers import is_pointer, pointer_sentence
from core.text.reasons import reason_of

#: File endings that can be read, also packed by gzip (csv.gz).
ENDINGS = ("txt", "csv", "tsv", "json", "jsonl", "parquet")
#: Columns that say what kind of request a prompt is, the finest division first.
_CATEGORIES = ("subcategory", "category", "semanticcategory", "harm_category", "type")
#: Below this, floats hold every whole number.
_EXACT = 2**53
ONE_PER_LINE = "one request per line"
_PASTED = "The pasted text"


@dataclass(frozen=True)
class PromptFile:
    """A table read from a file. `columns`: those that hold text; `suggested`: the likeliest to hold the prompts.

    sure: whether a name says that it is `suggested`. encoding: how its bytes were read as characters, empty for pasted
    text. warning: what to look at, sentences, or empty. layout: how it was taken apart, such as “one request per line”.
    """

    name: str
    table: pd.DataFrame
    columns: tuple[str, ...]
    suggested: str
    encoding: str = "utf-8"
    warning: str = ""
    layout: str = ""
    sure: bool = True

    def prompts(self, column: str | None = None) -> list[str]:
        """The texts of a column, outer white space and empty rows dropped, order kept. Raises InputError."""
        return [text for text in map(str.strip, self.rows(column)) if text]

    def rows(self, column: str | None = None) -> list[str]:
        """A column as it stands in the file, row by row; what is no text is an empty one. Raises InputError, also where
        no column was chosen and no name says which it is."""
        chosen = self.suggested if column is None else column
        if column is None and not self.sure:
            told = f"{self.name}: no column's name says that it holds the prompts. {self.warning}".strip()
            raise InputError(f"{told} Choose one of {named(self.columns)} (--column on the command line).")
        if chosen not in self.columns:
            raise InputError(f"{self.name} has no text column “{chosen:.60}”. Choose one of {named(self.columns)}.")
        return [text if isinstance(text, str) else "" for text in self.table[chosen]]

    def not_text(self, column: str | None = None) -> dict[int, str]:
        """Rows of a column with a value that is no text, from 0 → what it is, such as “a number”. A missing value is
        none."""
        values = self.table[self.suggested if column is None else column]
        return {
            row: kind_of(value)
            for row, value in enumerate(values)
            if not isinstance(value, str) and not (pd.api.types.is_scalar(value) and pd.isna(value))
        }

    @property
    def category_column(self) -> str | None:
        """The column that divides the prompts into categories, by its name; None where no column with any category has
        such a name."""
        plain = {str(name): str(name).strip().lower() for name in self.table.columns}
        return next(
            (
                name
                for usual in _CATEGORIES
                for name in plain
                if plain[name] == usual and any(map(_category, self.table[name]))
            ),
            None,
        )

    def categories(self, column: str | None = None) -> list[str]:
        """The category of every row, in the order of `rows`, empty where a row has none; a number counts as its text.
        column: the usual one when None; without any such column, or any category in it, there are none at all, an
        empty list. Raises InputError."""
        chosen = self.category_column if column is None else column
        if chosen is None:
            return []
        if chosen not in self.table.columns:
            there = named([str(name) for name in self.table.columns])
            raise InputError(f"{self.name} has no column “{chosen:.60}”. Choose one of {there}.")
        found = list(map(_category, self.table[chosen]))
        return found if any(found) else []

    def warnings(self, column: str | None = None) -> tuple[str, ...]:
        """What to look at when a column is read: sentences."""
        return tuple(filter(None, (self.warning, left_out(self.table, column or self.suggested))))

    @property
    def read_as(self) -> str:
        """Its layout and, of a file, the encoding."""
        return f"{self.layout} ({self.encoding})" if self.encoding else self.layout

    def sentence(self, column: str | None = None, *more: str) -> str:
        """How it was read: layout, encoding, rows, the column, those read beside it (`more`), and the others."""
        rows = f"{len(self.table):,} row{'' if len(self.table) == 1 else 's'}"
        if self.layout == ONE_PER_LINE:
            return f"Read as {self.read_as}: {rows}."
        chosen = column or self.suggested
        others = [str(name) for name in self.table.columns if name not in (chosen, *more)]
        beside = f"; not read: {named(others)}" if others else ""
        read = " and ".join(f"“{name:.60}”" for name in (chosen, *more))
        return f"Read as {self.read_as}: {rows}, column{'s' * bool(more)} {read}{beside}."


def _category(value: object) -> str:
    """A category as a text; empty for a missing one, and for what is no name."""
    if isinstance(value, str):
        return value.strip()
    if not isinstance(value, Real | Decimal) or isinstance(value, bool) or value != value:
        return ""
    # A column of whole numbers with a gap comes as floats: 3.0 is category 3. All digits are kept: 10000001, 10000002.
    number: Any = value  # what is common to them has no type
    whole = abs(number) < _EXACT and number == int(number)
    return str(int(number)) if whole else str(number)


def read_prompts(data: bytes, name: str) -> PromptFile:
    """Read a prompt list. Raises InputError with what is wrong and how to fix it."""
    if len(data) > MOST_BYTES:
        raise too_large(name)
    data, name = unzipped(data, name)
    ending = PurePath(name).suffix.lower().removeprefix(".")
    if ending not in ENDINGS:
        raise InputError(f"{name} ends in “.{ending}”, which cannot be read. Use one of {', '.join(ENDINGS)}.")
    try:
        if ending == "parquet":
            return _prompt_file(name, _parquet(data, name), Decoded("", "binary", ""))
        decoded = decode(data, name)
        return _prompt_file(name, _table(decoded.text, name, ending), decoded)
    except InputError:
        raise
    except Exception as error:  # each library raises its own kinds; all mean that the file is not what its name says
        raise InputError(f"{name} cannot be read as {ending} ({reason_of(error)}).") from error


def _prompt_file(name: str, read: Table, decoded: Decoded) -> PromptFile:
    table = read.frame.rename(columns=str)
    if table.columns.has_duplicates:
        twice = table.columns[table.columns.duplicated()][0]
        raise InputError(f"{name} has several columns named “{twice:.40}”. Rename all but one of them.")
    columns = text_columns(table)
    if not columns:
        raise InputError(f"{name} has no text. Use a file with one prompt per line or row.")
    lengths = [table[c].map(lambda v: len(v) if isinstance(v, str) else 0).mean() for c in columns]
    choice = choose_column(list(table.columns), columns, lengths)
    warning = " ".join(filter(None, (decoded.warning, *read.warnings, choice.note)))
    return PromptFile(name, table, columns, choice.column, decoded.encoding, warning, read.layout, choice.sure)


def read_pasted(text: str) -> PromptFile:
    """Read what somebody pasted. Raises InputError where it has no text.

    JSON, and a table whose header names a usual column, are taken apart where all of it fits; else each line is a
    prompt.
    """
    pasted = Decoded(text, "", "")
    for ending in ("json", "jsonl") if text.lstrip().startswith(("[", "{")) else ():
        with suppress(Exception):  # as in `read_prompts`; and text that only begins like JSON is none
            return _prompt_file(_PASTED, _table(text, _PASTED, ending), pasted)
    with suppress(InputError):
        table = read_separated(text, _PASTED, "csv")
        # One column is a line a prompt, unless its header alone says otherwise.
        if len(table.frame.columns) > 1 and any(str(name).lower() in USUAL for name in table.frame.columns):
            return _prompt_file(_PASTED, table, pasted)
    return _prompt_file(_PASTED, _table(text, _PASTED, "txt"), pasted)


def read_file(path: str | Path) -> PromptFile:
    """Read a file of prompts, or of prompts and answers, from this machine. Raises InputError."""
    where = Path(path)
    try:
        if where.stat().st_size > MOST_BYTES:
            raise too_large(where.name)
        data = where.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); give a file ({', '.join(ENDINGS)})."
        ) from error
    return read_prompts(data, where.name)


def has_categories(path: Path) -> bool:
    """Whether `write_prompts` has a place for categories in a file of this name."""
    return path.suffix.lower() != ".txt"


def write_prompts(texts: Sequence[str], path: Path, categories: Sequence[str] = ()) -> None:
    """Write a list that `read_prompts` reads back as it is, in the format its ending says. categories: of each text,
    or none; a txt file has no place for them. Raises InputError."""
    columns = {"prompt": list(texts)} | ({"category": list(categories)} if categories else {})
    ending, table = path.suffix.lower().removeprefix("."), pd.DataFrame(columns, dtype=str)
    if ending not in ENDINGS:
        raise InputError(f"{path.name} ends in “.{ending}”, which cannot be written. Use one of {', '.join(ENDINGS)}.")
    if ending == "txt" and any(len(lines_of(text)) > 1 for text in texts):
        raise InputError(f"Some prompts have several lines, which {path.name} cannot store. Use csv or jsonl.")
    try:
        write_to(path, _written(table, ending))
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}). Choose another file.") from error


def _written(table: pd.DataFrame, ending: str) -> str | bytes:
    """The table's file in the form of an ending: the prompts, with their categories where it has that column."""
    if ending == "parquet":
        return table.to_parquet(None, index=False)
    if ending in ("csv", "tsv"):
        return csv_text(table, "," if ending == "csv" else "\t")
    if ending == "txt":
        return "".join(f"{text}\n" for text in table["prompt"])
    rows = table.to_dict("records")
    if ending == "json":
        return json_text(rows if "category" in table else list(table["prompt"]), ascii_only=False, indent=0)
    return "".join(json_text(row, ascii_only=False) + "\n" for row in rows)


def _table(text: str, name: str, ending: str) -> Table:
    if ending in ("csv", "tsv"):
        return read_separated(text, name, ending)
    if ending != "txt":
        return read_json(text, name, ending == "jsonl")
    if text.lstrip().startswith(('{"', "[{", '["')):
        found = None
        with suppress(InputError):  # text that only begins like JSON is text
            found = read_json(text, name, lines=True)
        if found is not None:
            raise InputError(f"{name} holds JSON. Give it the ending json or jsonl.")
    warnings = []
    if looks_separated(text):
        warnings.append(f"Every line of {name} has tabs, as a table has. If it is one, save it as tsv.")
    lines = pd.DataFrame({"prompt": lines_of(text)}, dtype=object)  # pasted text may hold half a surrogate pair
    return Table(lines, ONE_PER_LINE, tuple(warnings))


def _parquet(data: bytes, name: str) -> Table:
    """A Parquet table. What it unpacks to is bounded before anything of it is unpacked."""
    import pyarrow.parquet as pq

    from core.prompts.unpacked import parquet_fits

    if is_pointer(data):
        raise InputError(pointer_sentence(name))
    file = pq.ParquetFile(io.BytesIO(data))
    check_size(name, file.metadata.num_columns, file.metadata.num_rows)
    if not parquet_fits(data, 10 * MOST_BYTES):
        raise too_large(f"{name}, unpacked,")
    return messages_read(file.read().to_pandas(), name, "a Parquet table")
