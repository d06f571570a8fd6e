"""Measurements as plain JSON values, and back by their types: every name has to be there, and every number be one.

Knows: the kinds of values that `core.hydra` measures. Does not know: which measurements, or files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from math import isfinite
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from core.edits.edits import Edits

#: Digits kept of every number.
DIGITS = 5
#: What may have no value: a share of nothing, parts that do not add up, no direction, no benign prompts.
MAY_BE_MISSING = frozenset({"put_back", "attention", "mlp", "cosine", "kl", "kl_low", "kl_high"})


def to_json(value: Any) -> Any:
    """A value as lists, objects, texts and numbers of `DIGITS` digits. A table becomes an object of its columns."""
    if isinstance(value, Edits):
        return value.to_text()
    if isinstance(value, pd.DataFrame):
        return {str(name): to_json(value[name].tolist()) for name in value}
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: to_json(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return {name: to_json(getattr(value, name)) for name in value._fields}
    if isinstance(value, Mapping):
        return {str(name): to_json(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if isfinite(value) else None
    return value


def from_json(kind: Any, value: Any, name: str = "the file") -> Any:
    """A value of the type `kind` from what `to_json` made. name: what it is called. Raises ValueError in a sentence."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return value
    if origin is UnionType:
        return None if value is None and NoneType in inner else from_json(inner[0], value, name)
    if kind is Edits:
        return Edits.from_text(str(value))
    if is_dataclass(kind) or hasattr(kind, "_fields"):
        return _record(kind, _object(value, name), name)
    if kind is pd.DataFrame:
        return _frame(_object(value, name), name)
    if kind is np.ndarray:
        return np.array([_number(one, name) for one in _list(value, name)])
    if origin is tuple:
        kinds = [inner[0]] * len(_list(value, name)) if inner[-1] is Ellipsis else inner
        if len(kinds) != len(_list(value, name)):
            raise ValueError(f"“{name}” has another number of values")
        return tuple(from_json(one, part, name) for one, part in zip(kinds, value, strict=True))
    if origin in (dict, Mapping):
        return {str(key): from_json(inner[1], one, f"{name}.{key}") for key, one in _object(value, name).items()}
    if kind is float:
        return _number(value, name)
    if not isinstance(value, kind):
        raise ValueError(f"“{name}” is no {kind.__name__}")
    return value


def _record(kind: Any, value: dict[str, Any], name: str) -> Any:
    """A dataclass or NamedTuple from an object with all its names, but for those of a NamedTuple that have a default:
    files from before these were added lack them."""
    hints = get_type_hints(kind)
    names = [one.name for one in fields(kind)] if is_dataclass(kind) else kind._fields
    for one in names:
        if one not in value and one not in getattr(kind, "_field_defaults", {}):
            raise ValueError(f"“{name}” lacks “{one}”")
    return kind(**{one: from_json(hints[one], value[one], one) for one in names if one in value})


def _frame(value: dict[str, Any], name: str) -> pd.DataFrame:
    """A table from its columns, all equally long."""
    columns = {str(key): _list(column, key) for key, column in value.items()}
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"the columns of “{name}” differ in length")
    for key, column in columns.items():
        if None in column:
            columns[key] = [_number(one, key) for one in column]
    return pd.DataFrame(columns)


def _number(value: Any, name: str) -> float:
    if value is None and name in MAY_BE_MISSING:
        return float("nan")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"“{name}” lacks a number")
    return float(value)


def _object(value: Any, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"“{name}” has no named values")
    return value


def _list(value: Any, name: str) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(f"“{name}” is no list")
    return value
