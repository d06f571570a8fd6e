"""Prompt lists in JSON and JSON lines, in the shapes that people and tools write.

Knows: lists of texts or objects, columns, rows within objects, chat messages. Does not know: which column holds
prompts. What can be read in two ways is refused with a sentence that names the shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from core.errors import InputError
from core.prompts.columns import check_size, is_usual, text_columns
from core.prompts.decoding import lines_of
from core.prompts.messages import MESSAGES, prompts_of
from core.prompts.tables import Table
from core.text.figures import counted
from core.text.json_text import json_value
from core.text.reasons import reason_of

JSON, LINES = "JSON", "JSON, one object per line"


def read_json(text: str, name: str, lines: bool) -> Table:
    """A JSON file, or one value a line. Either is also read under the other's ending. Raises InputError.

    Raises ValueError where the text is no JSON.
    """
    text = text.removeprefix("\ufeff")
    if lines:
        try:
            return _from_lines(text, name)
        except InputError as error:
            whole = _whole(text)
            if whole is None:
                raise error
            return _table(whole, name, f"{JSON}, one value in a file of JSON lines")
    try:
        found = json_value(text, names_once=True)
    except ValueError as error:
        if not text.lstrip().startswith(("{", '"')):
            raise _no_json(name, error) from error
        try:
            return _from_lines(text, name)
        except InputError:
            raise _no_json(name, error) from error
    return _table(found, name, JSON)


def _whole(text: str) -> list | dict | None:
    """The list or object that a text is as a whole; None where it is none."""
    try:
        found = json_value(text, names_once=True)
    except ValueError:
        return None
    return found if isinstance(found, list | dict) else None


def _from_lines(text: str, name: str) -> Table:
    """One value a line; blank lines are nothing. All are objects, or all are texts."""
    found, kinds = [], set[type]()
    for number, line in enumerate(lines_of(text), start=1):
        if not line.strip():
            continue
        try:
            value = json_value(line, names_once=True)
        except ValueError as error:
            raise InputError(
                f"{name}, line {number:,} is not JSON ({reason_of(error)}). Write one object on each line."
            ) from error
        if not isinstance(value, dict | str):
            raise InputError(
                f"{name}, line {number:,} is {kind_of(value)} and not an object. Write one object on each line, such "
                'as {"prompt": "…"}.'
            )
        found.append(value)
        kinds.add(type(value))
    if len(kinds) > 1:
        raise InputError(f"{name} has texts and objects in its lines. Write one object on each line.")
    return _table(found, name, LINES)


def _table(found: Any, name: str, layout: str) -> Table:
    """The table in a JSON value."""
    if isinstance(found, dict):
        return _from_object(found, name, layout)
    if not isinstance(found, list):
        raise InputError(f"{name} contains one value, not a list. Use a list of texts or objects.")
    if all(isinstance(entry, dict) for entry in found):
        return _from_rows(found, name, layout)
    odd = next((number for number, entry in enumerate(found, 1) if isinstance(entry, dict | list)), None)
    if odd is not None:
        raise InputError(
            f"{name}: entry {odd:,} of the list is {kind_of(found[odd - 1])}, among others or without names for its "
            "columns. Write a list of texts, or a list of objects."
        )
    return Table(pd.DataFrame({"prompt": found}, dtype=object), layout)


def _from_rows(rows: Sequence[Mapping[str, Any]], name: str, layout: str) -> Table:
    """Objects, one a row."""
    check_size(name, len({column for row in rows for column in row}), len(rows))
    return messages_read(pd.DataFrame(rows, dtype=object), name, layout)


def messages_read(frame: pd.DataFrame, name: str, layout: str) -> Table:
    """The table, with chat messages replaced by the prompt they hold. Raises InputError.

    A column “prompt” with texts is what it says. Messages beside it stay a column of their own, and a warning tells
    where they ask for something else.
    """
    if "prompt" in frame.columns and text_columns(frame[["prompt"]]):
        return _beside_prompts(frame, name, layout)
    for column in frame.columns:
        if str(column).strip().lower() in MESSAGES:
            prompts = prompts_of(list(frame[column]), str(column), name)
            if prompts is not None:
                others = frame.drop(columns=[column, *({"prompt"} & set(frame.columns))])
                others.insert(0, "prompt", pd.Series(prompts, dtype=object, index=frame.index))
                return Table(others, f"{layout}, the user's message of each “{column}”")
    return Table(frame, layout)


def _beside_prompts(frame: pd.DataFrame, name: str, layout: str) -> Table:
    """The table with each row's message as a text in its own column, where there is one, and not as the prompt."""
    warnings = []
    for column in frame.columns:
        if str(column).strip().lower() not in MESSAGES:
            continue
        try:
            texts = prompts_of(list(frame[column]), str(column), name)
        except InputError:
            if column == "prompt":  # some of its rows are texts and some are messages
                raise
            continue  # conversations, which nobody needs where the prompt is a text
        if texts is None:
            continue
        frame = frame.assign(**{str(column): pd.Series(texts, dtype=object, index=frame.index)})
        pairs = zip(texts, frame["prompt"], strict=True)
        other = [row for row, (text, prompt) in enumerate(pairs, start=1) if text is not None and text != prompt]
        if other:
            warnings.append(
                f"{counted(len(other), 'row')} of {name} (the first is row {other[0]:,}) have another text in "
                f"“{column:.40}” than in “prompt”. Choose the column that is meant (--column on the command line)."
            )
    return Table(frame, layout, tuple(warnings))


def _from_object(found: Mapping[str, Any], name: str, layout: str) -> Table:
    """An object: of rows, of columns, of objects, or around one of these."""
    if isinstance(found.get("columns"), list) and isinstance(found.get("data"), list):
        return _split(found["columns"], found["data"], name, layout)
    rows = found.get("rows")
    if isinstance(rows, list) and rows and all(isinstance(r, dict) and isinstance(r.get("row"), dict) for r in rows):
        return _viewer(found, rows, name, layout)
    lists = {key: value for key, value in found.items() if isinstance(value, list)}
    objects = {key: value for key, value in found.items() if isinstance(value, dict)}
    if len(lists) == 1 and not objects:  # {"data": [...], "version": 1}
        (inner,) = lists.values()
        return _table(inner, name, layout)
    if lists and not objects:
        return _columns(lists, name, layout)
    if objects and not lists:
        return _objects(objects, found, name, layout)
    if lists:
        raise _several(name, [*lists, *objects])
    if any(is_usual(key) and isinstance(value, str) for key, value in found.items()):
        return _from_rows([found], name, layout)
    raise InputError(
        f"{name} is one object whose fields ({_names(found)}) are no lists, and none is named like a prompt. Write a "
        "list of texts or objects."
    )


def _split(columns: list, data: list, name: str, layout: str) -> Table:
    """Names and rows apart, as pandas writes them with orient=“split”."""
    for number, row in enumerate(data, start=1):
        if not isinstance(row, list) or len(row) != len(columns):
            raise InputError(f"{name}: row {number:,} of “data” does not have one value for each of “columns”.")
    if len({str(column) for column in columns}) < len(columns):
        raise InputError(f"{name} has several columns of one name. Rename all but one of them.")
    check_size(name, len(columns), len(data))
    return Table(
        pd.DataFrame(data, columns=[str(c) for c in columns], dtype=object), f"{layout}, columns and data apart"
    )


def _viewer(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], name: str, layout: str) -> Table:
    """Rows wrapped in objects, as dataset viewers export them. Texts that the viewer cut are refused."""
    for number, row in enumerate(rows, start=1):
        if row.get("truncated_cells"):
            raise InputError(f"{name}: row {number:,} was cut by the viewer it is from. Download the data set itself.")
    table = _from_rows([row["row"] for row in rows], name, f"{layout}, the rows of a dataset viewer")
    whole = found.get("num_rows_total")
    if isinstance(whole, int) and whole > len(rows):
        note = f"{name} holds {len(rows):,} of the {whole:,} rows that its data set has."
        return table._replace(warnings=(*table.warnings, note))
    return table


def _columns(lists: Mapping[str, list], name: str, layout: str) -> Table:
    lengths = {key: len(value) for key, value in lists.items()}
    if any(isinstance(entry, dict) for values in lists.values() for entry in values):
        raise _several(name, lists)
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{key:.40}: {length:,}" for key, length in list(lengths.items())[:6])
        raise InputError(f"{name} has columns of different length ({told}). Write one object for each row.")
    check_size(name, len(lists), next(iter(lengths.values())))
    return Table(pd.DataFrame(dict(lists), dtype=object), f"{layout}, one list for each column")


def _objects(objects: Mapping[str, dict], found: Mapping[str, Any], name: str, layout: str) -> Table:
    """Objects within an object: each is a row, or each is a column with its rows by number."""
    if len(objects) == 1 and not any(is_usual(key) for key in objects):
        (inner,) = objects.values()
        if any(isinstance(value, list | dict) for value in inner.values()):
            return _table(inner, name, layout)
    keys = list(objects.values())
    are_columns = any(is_usual(key) for key in objects)
    are_rows = any(is_usual(key) for inner in keys for key in inner)
    if len(objects) < len(found) or are_rows is are_columns:
        raise InputError(
            f"{name} is an object of objects ({_names(found)}), which can be rows or columns. Write a list of objects."
        )
    if are_rows:
        return _from_rows(keys, name, f"{layout}, one object for each row")
    check_size(name, len(objects), len(keys[0]))
    if len({tuple(inner) for inner in keys}) > 1:
        raise InputError(f"{name} has columns with different rows. Write a list of objects.")
    frame = pd.DataFrame({key: list(inner.values()) for key, inner in objects.items()}, dtype=object)
    return Table(frame, f"{layout}, one object for each column")


def _several(name: str, names: Sequence[str] | Mapping[str, Any]) -> InputError:
    return InputError(f"{name} holds several lists ({_names(names)}). Save the one with the prompts by itself.")


def _names(names: Sequence[str] | Mapping[str, Any]) -> str:
    listed = [f"{one:.40}" for one in names]
    return ", ".join(listed[:6]) + (" and more" if len(listed) > 6 else "")


def _no_json(name: str, error: ValueError) -> InputError:
    return InputError(f"{name} cannot be read as json ({reason_of(error)}). Save it again, or as csv or txt.")


_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (lambda value: value is None, "null"),
    (lambda value: isinstance(value, bool), "true or false"),
    (lambda value: isinstance(value, int | float), "a number"),
    (lambda value: isinstance(value, str), "a text"),
    (lambda value: isinstance(value, list), "a list"),
)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    return next((words for test, words in _KINDS if test(value)), "an object")
