"""Tables written as text: fields between separators, with a header. Read strictly: a row that does not fit is refused.

Knows: separators, quotation marks, headers. Does not know: which column holds prompts. Nothing is guessed in silence:
one way of taking a text apart must fit every row of it, or the reader says which row does not.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from typing import Literal, NamedTuple

import pandas as pd

from core.errors import InputError
from core.prompts.columns import check_size, is_usual
from core.prompts.decoding import MOST_BYTES, lines_of
from core.text.csv_text import unmarked

SEPARATORS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
#: The separator that a file's ending promises.
USUAL = {"csv": ",", "tsv": "\t"}
#: A field of a header that reads like a text: five words, or the end of a sentence, or very long.
_WORDS, _LONG = 5, 60
_SENTENCE_END = re.compile(r"[.?!…。？！]\W*$|[.?!]\s+\w")
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
#: What does not stand in a column's name, unless it is a separator that is not known here.
_UNKNOWN_SEPARATOR = re.compile(r"\w([^\w\s().'’/?&#-])\w")
#: The line by which spreadsheets write down the separator, before the header.
_SAYS_SEPARATOR = re.compile(r'\ufeff?"?sep=(.)"?(?:\r\n|\n|\r)', re.IGNORECASE)
_SPACE_BEFORE_MARK = re.compile(r'\s+".*"\s*', re.DOTALL)

# By default the csv module refuses fields of more than 128 kB; a file's size is limited already.
csv.field_size_limit(MOST_BYTES)


class Table(NamedTuple):
    """rows with named columns. layout: how it was taken apart, in words; warnings: sentences."""

    frame: pd.DataFrame
    layout: str
    warnings: tuple[str, ...] = ()


class _Row(NamedTuple):
    """line: where it begins, from 1; lines: how many it has."""

    line: int
    lines: int
    fields: list[str]


class _Fit(NamedTuple):
    """rows: the header first. plain: quotation marks are text like any other."""

    rows: list[_Row]
    plain: bool


class _Misfit(NamedTuple):
    """Why a text is no table with one separator: the header's number of fields, and what is wrong, a sentence's end."""

    fields: int
    reason: str


def read_separated(text: str, name: str, ending: str) -> Table:
    """A table whose first row names its columns. ending: csv or tsv. Raises InputError with the row that does not fit.

    The separator is the one that takes every row apart into as many fields as the header has. Fields that begin with a
    quotation mark end with one (RFC 4180); a file separated by tabs may instead have no quoting at all, and which of
    the two it is must be plain.
    """
    said = _SAYS_SEPARATOR.match(text)
    text = text[said.end() :] if said else text
    usual = said[1] if said else USUAL[ending]
    tried = {separator: _fitting(text, separator) for separator in dict.fromkeys((usual, *SEPARATORS))}
    found = {s: fit for s, fit in tried.items() if isinstance(fit, _Fit) and len(fit.rows[0].fields) > 1}
    if len(found) > 1 and not said:
        names = " or ".join(SEPARATORS[separator] for separator in found)
        raise InputError(f"{name} could be separated by {names}. Write names of columns that contain no separator.")
    separator = usual if said else next(iter(found), usual)
    fit = tried[separator]
    if isinstance(fit, _Misfit):
        # Of several that do not fit, the one with the widest header is most likely meant.
        widest = max((misfit for misfit in tried.values() if isinstance(misfit, _Misfit)), key=lambda one: one.fields)
        likeliest = fit if fit.fields > 1 else widest
        raise InputError(f"{name} cannot be read as {ending}: {likeliest.reason}")
    return _table(fit, name, separator)


def _opens(text: str, separator: str) -> bool:
    """Whether any field begins with a quotation mark."""
    return re.search(rf'(?:^|[\r\n{re.escape(separator)}])"', text) is not None


def _fitting(text: str, separator: str) -> _Fit | _Misfit:
    """The rows, where each has as many fields as the header; else why not."""
    quoted = _checked(_rows(text, separator, csv.QUOTE_MINIMAL))
    if not _opens(text, separator):
        return quoted if isinstance(quoted, _Misfit) else _Fit(quoted, False)
    plain = _checked(_rows(text, separator, csv.QUOTE_NONE))
    if isinstance(quoted, _Misfit):
        # Names between quotation marks say that the file has quoting, so that what is wrong is a mark in a row.
        without = separator == "\t" and isinstance(plain, list) and not any(map(_quoted, plain[0].fields))
        return _Fit(plain, True) if without and isinstance(plain, list) else quoted
    spans = next((row for row in quoted if row.lines > 1), None)
    if spans is not None and isinstance(plain, list) and len(quoted[0].fields) > 1:
        return _Misfit(
            len(quoted[0].fields),
            f"lines {spans.line:,} to {spans.line + spans.lines - 1:,} can be one row with line breaks between "
            f"quotation marks, or {spans.lines:,} rows with stray marks. Save the file as jsonl, or remove the marks.",
        )
    return _Fit(quoted, False)


def _quoted(field: str) -> bool:
    return len(field) > 1 and field[0] == '"' == field[-1]


def _rows(text: str, separator: str, quoting: Literal[0, 3]) -> list[_Row] | _Misfit:
    """All rows with a field that is not blank. A _Misfit where quotation marks do not open and close as they must."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, doublequote=True, strict=True
    )
    rows, before = list[_Row](), 0
    try:
        for fields in reader:
            if any(map(str.strip, fields)) or (len(fields) == 1 and fields[0] == "" and rows):
                rows.append(_Row(before + 1, reader.line_num - before, fields))
            before = reader.line_num
    except csv.Error:
        end = reader.line_num
        where = f"line {before + 1:,}" if end <= before + 1 else f"lines {before + 1:,} to {end:,}"
        return _Misfit(
            len(rows[0].fields) if rows else 0,
            f"row {max(len(rows), 1):,} ({where}) has a quotation mark that is not closed, or is followed by other "
            'text. Write a quotation mark within a quoted field twice (""), or save the file as jsonl.',
        )
    return rows or _Misfit(0, "the file has no text. Use a file with one prompt per line or row.")


def _checked(rows: list[_Row] | _Misfit) -> list[_Row] | _Misfit:
    """The rows if all fit. A last field that is empty in every row (a trailing separator) is no field."""
    if isinstance(rows, _Misfit):
        return rows
    header, *rest = rows
    width = len(header.fields)
    if rest and all(len(row.fields) == width + 1 and not row.fields[-1].strip() for row in rest):
        return [header, *(row._replace(fields=row.fields[:-1]) for row in rest)]
    for number, row in enumerate(rest, start=1):
        if len(row.fields) != width:
            return _Misfit(
                width,
                f"row {number:,} (line {row.line:,}) has {_counted(len(row.fields), 'field')}, but the header has "
                f"{width:,}. Put texts that contain separators or line breaks between quotation marks, or save the "
                "file as jsonl.",
            )
        if any(map(_SPACE_BEFORE_MARK.fullmatch, row.fields)):
            return _Misfit(
                width,
                f"row {number:,} (line {row.line:,}) has a space before a quotation mark, so that the mark is text. "
                "Remove the space.",
            )
    return rows


def _table(fit: _Fit, name: str, separator: str) -> Table:
    """Names and rows as a data frame. Raises InputError for a first row that holds texts instead of names."""
    header, *rest = fit.rows
    check_size(name, len(header.fields), len(rest))
    names = [field.strip().strip("\ufeff").strip() for field in header.fields]
    if not rest:
        raise InputError(
            f"{name} has one row, which was read as the names of its columns. Add a header such as “prompt”, or save "
            "it as txt with one prompt per line."
        )
    empty = [not names[i] and not any(row.fields[i].strip() for row in rest) for i in range(len(names))]
    names = [text or f"column {number}" for number, text in enumerate(names, start=1)]
    again = next((number for number, row in enumerate(rest, start=1) if row.fields == header.fields), None)
    if again is not None:
        raise InputError(
            f"{name}: row {again:,} (line {rest[again - 1].line:,}) is the header again, as where two files were "
            "joined. Remove that line."
        )
    counts = Counter(names)
    for text in names:
        if _is_text(text) or (_NUMBER.fullmatch(text) and len(names) > 1):
            raise InputError(
                f"{name}: “{text:.60}” in the first row does not look like a column's name, so the header may be "
                "missing. Add a header such as “prompt”, or save the prompts as txt, one per line."
            )
        if len(names) == 1 and (unknown := _UNKNOWN_SEPARATOR.search(text.replace('"', ""))):
            raise InputError(
                f"{name} has one column, “{text:.60}”, which may be several that are separated by “{unknown[1]}”. "
                "Separate columns by commas, semicolons, tabs or vertical bars."
            )
        if counts[text] > 1:
            raise InputError(f"{name} has several columns named “{text:.40}”. Rename all but one of them.")
    kept = [i for i in range(len(names)) if not empty[i]]
    cells = [[unmarked(row.fields[i]) for i in kept] for row in rest]
    frame = pd.DataFrame(cells, columns=[unmarked(names[i]) for i in kept], dtype=object)
    layout = f"a table, separated by {SEPARATORS.get(separator, f'“{separator}”')}"
    warnings = []
    spans = [number for number, row in enumerate(rest, start=1) if row.lines > 1]
    if spans:
        warnings.append(
            f"{_counted(len(spans), 'row')} of {name} (the first is row {spans[0]:,}) span several lines, because of "
            "quotation marks. Check that they are single prompts."
        )
    if not any(map(is_usual, names)):
        told = ", ".join(f"“{text:.40}”" for text in names[:6])
        warnings.append(
            f"The first row ({told}) was read as names of columns. If it is a prompt, add a header above it."
        )
    fields = ((row.fields[i] for i in kept) for row in rest)
    marks = sum(
        text != cell for row, found in zip(fields, cells, strict=True) for text, cell in zip(row, found, strict=True)
    )
    if marks:
        layout += f", without the apostrophe that keeps a spreadsheet from running {_counted(marks, 'text')}"
    if fit.plain:
        layout += ", with quotation marks as text"
    return Table(frame, layout, tuple(warnings))


def _is_text(name: str) -> bool:
    """Whether a field of a header reads like a prompt and not like a name."""
    return len(name.split()) >= _WORDS or len(name) > _LONG or bool(_SENTENCE_END.search(name))


def looks_separated(text: str) -> bool:
    """Whether every line has the same number of tabs, one or more, as the lines of a table have."""
    counts = {line.count("\t") for line in lines_of(text) if line.strip()}
    return len(counts) == 1 and counts != {0}


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
