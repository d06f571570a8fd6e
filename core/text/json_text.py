"""Values as JSON: the one way in which this program writes it, and reads what lies in files.

Knows: what JSON has no words for. Does not know: what is written, or where.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from core.text.reasons import reason_of

#: Lists and objects in one another; nothing that is read here has a tenth of that.
MOST_LEVELS = 100
#: Of an integer; floats end at 1.8e308.
_MOST_DIGITS = 308
_SURROGATES = re.compile("[\ud800-\udfff]")


def json_text(
    value: Any,
    *,
    indent: int | None = None,
    ascii_only: bool = True,
    sort_keys: bool = False,
    separators: tuple[str, str] | None = None,
) -> str:
    """A value as JSON. Floats keep every bit; NaN and infinity become null, because JSON has neither.

    ascii_only: whether other characters are escaped. Half a surrogate pair is escaped always, since no encoding has it.
    """
    text = json.dumps(
        _finite(value),
        indent=indent,
        ensure_ascii=ascii_only,
        sort_keys=sort_keys,
        separators=separators,
        allow_nan=False,
    )
    if ascii_only or text.isascii():
        return text
    return _SURROGATES.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class _PlainError(ValueError):
    """In words that can be shown as they are."""


def json_value(text: str | bytes, *, names_once: bool = False) -> Any:
    """The value of a JSON text. Raises ValueError, in plain words, for anything that is none, or is nested too deeply:
    whoever walks through a value calls itself for each level, and runs out of levels where the reader did not yet.

    names_once: for what people write; an object that names a field twice is refused, instead of the last one taken.
    """
    try:
        found = json.loads(text, parse_int=_integer, object_pairs_hook=_object if names_once else None)
    except _PlainError:
        raise
    except (RecursionError, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(reason_of(error)) from None
    except ValueError:
        raise ValueError("it holds a number with hundreds of digits") from None
    level, depth = [found], 1
    while level := [one for holder in level for one in _parts(holder)]:
        depth += 1
        if depth > MOST_LEVELS:
            raise ValueError("it is nested too deeply")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise _PlainError(f"the field “{twice:.40}” is there twice in one object")
    return found


def _integer(digits: str) -> int:
    """An integer that a float can be made of, as whoever reads one may do. Raises ValueError for a larger one."""
    if len(digits) > _MOST_DIGITS:
        raise ValueError
    return int(digits)


def _parts(value: Any) -> list[Any]:
    """The lists and objects that are directly in a list or an object."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [one for one in inside if isinstance(one, (dict, list))]


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
