"""Inputs as nobody should send them: odd JSON values, and good files with parts of them changed, cut or repeated.

Knows: hypothesis, how bytes go wrong. Does not know: who reads them.
"""

from __future__ import annotations

import json
import random
import re
import struct
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

NUMBERS = (0, -1, 1, 2**31, 2**64, 10**30, 0.5, -0.0, 1e308, float("nan"), float("inf"), -float("inf"))
TEXTS = (
    *("", " ", "\0", "a\nb", "\x1b[2J", "\u2028", "\u202e", "\ud800", "NaN", "null", "-1", "1e999", "9" * 5000),
    *(
        "x" * 70_000,
        "../../etc/passwd",
        "http://127.0.0.1:1",
        "=1+1",
        "２",
        "²",
        "−5",
        "é🍞",
        "12-40",
        "layer_x",
        "main",
    ),
)


def texts() -> st.SearchStrategy[str]:
    """Short texts with any character, half surrogate pairs too, and a few that go wrong often."""
    return st.one_of(st.sampled_from(TEXTS), st.text(st.characters(), max_size=40))


def values() -> st.SearchStrategy[Any]:
    """What JSON can hold, NaN and deep nesting included."""
    leaf = st.one_of(st.none(), st.booleans(), st.sampled_from(NUMBERS), st.integers(), st.floats(), texts())
    nested = st.recursive(
        leaf,
        lambda some: st.one_of(st.lists(some, max_size=4), st.dictionaries(texts(), some, max_size=4)),
        max_leaves=8,
    )
    deep = st.sampled_from([40, 900]).map(lambda depth: _deep(depth))
    return st.one_of(nested, nested, nested, deep)


def _deep(depth: int) -> Any:
    found: Any = 1
    for _ in range(depth):
        found = [found]
    return found


def mutated(data: bytes) -> st.SearchStrategy[bytes]:
    """The same bytes with one to four changes."""
    return st.integers(0, 2**32).map(lambda seed: mutate(data, random.Random(seed)))


def mutate(data: bytes, chance: random.Random) -> bytes:
    """The same bytes with one to four changes."""
    for _ in range(chance.randint(1, 4)):
        data = chance.choice(_CHANGES)(data, chance)
    return data


def mutated_json(data: bytes) -> st.SearchStrategy[bytes]:
    """The same JSON, or JSON lines, with one to three values in it replaced, removed or repeated."""
    return st.tuples(st.integers(0, 2**32), st.lists(values(), min_size=1, max_size=3)).map(
        lambda drawn: _json_bytes(_with(json.loads(data), random.Random(drawn[0]), drawn[1]))
    )


def with_values(made: Any, chance: random.Random, put: list[Any]) -> Any:
    """A JSON value with some of its parts replaced by these."""
    return _with(json.loads(json.dumps(made)), chance, put)


def _json_bytes(value: Any) -> bytes:
    return json.dumps(value).encode()  # with NaN, which many programs write


def _with(made: Any, chance: random.Random, put: list[Any]) -> Any:
    for value in put:
        places = list(_places(made))
        if not places:
            return value
        holder, key = chance.choice(places)
        kind = chance.randrange(4)
        if kind == 0 and isinstance(holder, dict):
            del holder[key]
        elif kind == 1 and isinstance(holder, list):
            holder.append(value)
        else:
            holder[key] = value
    return made


def _places(value: Any) -> Any:
    if isinstance(value, dict):
        for key in value:
            yield value, key
            yield from _places(value[key])
    elif isinstance(value, list):
        for index, one in enumerate(value[:50]):
            yield value, index
            yield from _places(one)


def mutated_header(data: bytes) -> st.SearchStrategy[bytes]:
    """A safetensors file whose header says something else, with the right length before it."""
    size = struct.unpack("<Q", data[:8])[0]
    header, body = data[8 : 8 + size], data[8 + size :]
    return mutated_json(header).map(lambda said: struct.pack("<Q", len(said)) + said + body)


def _cut(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    return data[:start] + data[min(len(data), start + chance.choice((1, 3, 40, 4000))) :]


def _end(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randint(0, len(data))]


def _twice(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    stop = min(len(data), start + chance.choice((1, 20, 300)))
    return data[:stop] + data[start:stop] * chance.choice((1, 2, 50)) + data[stop:]


def _put(data: bytes, chance: random.Random) -> bytes:
    start = chance.randint(0, len(data))
    odd = (
        b"\0",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b'"',
        b"'",
        b"\r",
        b"\n\n",
        b"\t",
        b";",
        b",,,",
        b"{",
        b"]",
        b"\x1a",
        b"\x80",
    )
    return data[:start] + chance.choice((*odd, chance.randbytes(9), "\u2028é".encode())) + data[start:]


def _flip(data: bytes, chance: random.Random) -> bytes:
    found = bytearray(data)
    for _ in range(chance.choice((1, 5)) if found else 0):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _number(data: bytes, chance: random.Random) -> bytes:
    numbers = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not numbers:
        return data
    found = chance.choice(numbers)
    put = chance.choice((b"-1", b"NaN", b"1e999", b"9" * 400, b"0", b"0.5", b'"7"', b"null"))
    return data[: found.start()] + put + data[found.end() :]


_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_cut, _end, _twice, _put, _flip, _number)
