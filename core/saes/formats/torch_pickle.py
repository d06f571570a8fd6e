"""The instructions by which a torch file says what it holds, read and never run.

Knows: the pickle instructions that a plain file of tensors is made of (protocols 2 to 5), and the dozen names such a
file asks for. Does not know: zip files, or any number of a tensor. Python's unpickler is not used, not even torch's
restricted one: nothing is imported, called or looked up by a name from the file. An allowed name stands for a function
of ours that makes a description out of plain values; every other name and instruction is refused.
The format: torch/serialization.py (`_save`, `_load`) and torch/_utils.py (`_rebuild_tensor_v2`).
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

#: An SAE's program is a few hundred bytes, a large model's some hundred kilobytes.
LONGEST_PROGRAM = 4_000_000  # bytes
_MOST_INSTRUCTIONS = 500_000
_HIGHEST_STACK = 20_000  # values; a pickler writes a dictionary's entries by the thousand
_DEEPEST = 20  # containers inside each other
_LARGEST = 2**63

#: torch's names of typed storages, and the number format of each.
STORAGES: Mapping[str, str] = {
    "FloatStorage": "float32",
    "DoubleStorage": "float64",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
}


class RefusedError(Exception):
    """The program holds something that no plain file of tensors needs. The message continues a sentence: “it …”."""


class Storage(NamedTuple):
    """`length` numbers in a row under the name `key` among the file's storages."""

    key: str
    dtype: str
    length: int


class TensorNote(NamedTuple):
    """A tensor as its file describes it: a view of a storage. offset and stride in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Allowed(NamedTuple):
    """What an allowed name of the file stands for: a function of plain values, or a value that is not called."""

    name: str
    make: Callable[[tuple[Any, ...]], Any] | None


class _Mark:
    """Where a group of values begins on the stack."""


_MARK = _Mark()


def read_program(program: bytes) -> Any:
    """What a `data.pkl` describes: dicts, lists, tuples, strings, numbers, and TensorNotes in place of tensors.

    Raises RefusedError for whatever is not allowed, ValueError (or another of Python's own) for a damaged program.
    """
    if len(program) > LONGEST_PROGRAM:
        raise RefusedError(f"describes its tensors in {len(program)} bytes, where {LONGEST_PROGRAM} are enough for any")
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for count, (instruction, argument, _) in enumerate(pickletools.genops(program)):
        if count >= _MOST_INSTRUCTIONS or len(stack) > _HIGHEST_STACK:
            raise RefusedError(f"takes more than {_MOST_INSTRUCTIONS} instructions or {_HIGHEST_STACK} values at once")
        if instruction.name == "STOP":
            break
        _step(instruction.name, argument, stack, memo)
    if len(stack) != 1:
        raise ValueError("its description does not come to one value")
    _check_depth(stack[0])
    return stack[0]


def _step(name: str, argument: Any, stack: list[Any], memo: dict[int, Any]) -> None:
    """One instruction. Only what is written here can happen."""
    if name in _PLAIN:
        stack.append(_plain(argument))
    elif name in _MADE:
        stack.append(_MADE[name]())
    elif name in _PUTS:
        memo[len(memo) if argument is None else argument] = _top(stack)
    elif name in ("BINGET", "LONG_BINGET"):
        stack.append(memo[argument])
    elif name in _TUPLES:
        stack.append(tuple(_pop(stack, _TUPLES[name])))
    elif name == "TUPLE":
        stack.append(tuple(_group(stack)))
    elif name in ("APPEND", "APPENDS"):
        values = _pop(stack, 1) if name == "APPEND" else _group(stack)
        _held(stack, list).extend(values)
    elif name in ("SETITEM", "SETITEMS"):
        values = _pop(stack, 2) if name == "SETITEM" else _group(stack)
        _fill(_held(stack, dict), values)
    elif name == "GLOBAL":
        stack.append(_allowed(argument))
    elif name == "STACK_GLOBAL":
        module, attribute = _pop(stack, 2)
        stack.append(_allowed(f"{_text(module)} {_text(attribute)}"))
    elif name == "BINPERSID":
        stack.append(_storage(*_pop(stack, 1)))
    elif name == "REDUCE":
        called, arguments = _pop(stack, 2)
        if not isinstance(called, _Allowed) or called.make is None or not isinstance(arguments, tuple):
            raise RefusedError("asks for something to be called that is no function of torch's own")
        stack.append(called.make(arguments))
    elif name == "BUILD":
        # A module's state dict carries its version numbers (_metadata) as an attribute: left out, nothing is set.
        state = _pop(stack, 1)[0]
        if not isinstance(state, dict) or set(state) != {"_metadata"}:
            raise RefusedError("asks for attributes of an object to be set (the instruction BUILD)")
        _held(stack, dict)
    elif name not in ("PROTO", "FRAME"):
        raise RefusedError(f"uses the instruction {name}, which no plain file of tensors needs")


_PLAIN = {"BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_MADE: Mapping[str, Callable[[], Any]] = {
    "MARK": lambda: _MARK,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
}
_PUTS = {"BINPUT", "LONG_BINPUT", "MEMOIZE"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _plain(value: Any) -> Any:
    if isinstance(value, int) and not -_LARGEST <= value < _LARGEST:
        raise RefusedError("holds a whole number of more than 64 bits")
    return value


def _top(stack: list[Any]) -> Any:
    if not stack or stack[-1] is _MARK:
        raise ValueError("its description names a value that is not there")
    return stack[-1]


def _pop(stack: list[Any], count: int) -> list[Any]:
    values = stack[-count:]
    if len(values) < count or any(value is _MARK for value in values):
        raise ValueError("its description uses values that are not there")
    del stack[-count:]
    return values


def _group(stack: list[Any]) -> list[Any]:
    """The values since the last mark, taken off with it."""
    at = len(stack) - 1
    while at >= 0 and stack[at] is not _MARK:
        at -= 1
    if at < 0:
        raise ValueError("its description ends a group that was not begun")
    values = stack[at + 1 :]
    del stack[at:]
    return values


def _held(stack: list[Any], kind: type) -> Any:
    """The container on top of the stack, which stays there."""
    if not isinstance(_top(stack), kind):
        raise RefusedError("fills something other than a list or a dictionary")
    return stack[-1]


def _fill(target: dict[Any, Any], values: list[Any]) -> None:
    if len(values) % 2:
        raise ValueError("its description has a key without a value")
    for key, value in zip(values[::2], values[1::2], strict=True):
        if not isinstance(key, str | int):  # a tuple's hash can take forever
            raise RefusedError("has a dictionary whose keys are neither text nor numbers")
        target[key] = value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedError("asks for something by a name that is no text")
    return value


def _allowed(name: str) -> _Allowed:
    if name not in _ALLOWED:
        shown = "".join(sign for sign in name.replace(" ", ".")[:80] if sign.isprintable())  # a terminal obeys others
        raise RefusedError(f"asks for “{shown}”, which is none of the names a plain file of tensors has")
    return _ALLOWED[name]


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("a size of it is no whole number")
    return value


def _sizes(value: Any) -> tuple[int, ...]:
    if not isinstance(value, tuple):
        raise ValueError("a shape of it is no tuple")
    return tuple(map(_whole, value))


def _storage(named: Any) -> Storage:
    """torch's persistent id: ("storage", its type, key, device, length in numbers). The device is not ours."""
    if not isinstance(named, tuple) or len(named) != 5 or named[0] != "storage" or not isinstance(named[1], _Allowed):
        raise RefusedError("refers to something outside itself that is no storage")
    _, kind, key, _, length = named
    dtype = STORAGES.get(kind.name)
    if dtype is None:
        raise RefusedError(f"keeps numbers as “{kind.name:.80}”, a format that is not read here")
    return Storage(_text(key), dtype, _whole(length))


def _tensor(arguments: tuple[Any, ...]) -> TensorNote:
    """torch._utils._rebuild_tensor_v2(storage, offset, shape, stride, requires_grad, hooks, metadata=None)."""
    if not 6 <= len(arguments) <= 7 or not isinstance(arguments[0], Storage):
        raise ValueError("a tensor of it has no storage")
    if len(arguments) == 7 and arguments[6]:  # a view that is to be negated or conjugated when read
        raise RefusedError("has a tensor that is a lazy view of another")
    shape, stride = _sizes(arguments[2]), _sizes(arguments[3])
    if len(shape) != len(stride):
        raise ValueError("a tensor of it has a shape and a stride of different lengths")
    return TensorNote(arguments[0], _whole(arguments[1]), shape, stride)


def _parameter(arguments: tuple[Any, ...]) -> TensorNote:
    """torch._utils._rebuild_parameter(tensor, requires_grad, hooks)."""
    if len(arguments) != 3 or not isinstance(arguments[0], TensorNote):
        raise ValueError("a parameter of it has no tensor")
    return arguments[0]


def _ordered(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if arguments:
        raise RefusedError("makes an ordered dictionary out of something else")
    return {}


def _size(arguments: tuple[Any, ...]) -> tuple[int, ...]:
    return _sizes(*arguments)


def _device(arguments: tuple[Any, ...]) -> None:
    """Where a tensor lay on the machine that wrote it: of no use on another."""


_ALLOWED: Mapping[str, _Allowed] = {
    "collections OrderedDict": _Allowed("OrderedDict", _ordered),
    "torch._utils _rebuild_tensor_v2": _Allowed("_rebuild_tensor_v2", _tensor),
    "torch._utils _rebuild_parameter": _Allowed("_rebuild_parameter", _parameter),
    "torch Size": _Allowed("Size", _size),
    "torch device": _Allowed("device", _device),
    **{f"torch {name}": _Allowed(name, None) for name in STORAGES},
    **{f"torch {dtype}": _Allowed(dtype, None) for dtype in STORAGES.values()},
}


def _check_depth(root: Any) -> None:
    """Level by level, each container once: what holds itself ends, and nothing is gone through twice."""
    level, seen = [root], set[int]()
    for _ in range(_DEEPEST):
        inner = {id(value): value for value in level if isinstance(value, dict | list | tuple)}
        fresh = [value for attribute, value in inner.items() if attribute not in seen]
        if not fresh:
            return
        seen |= inner.keys()
        level = [part for value in fresh for part in (value.values() if isinstance(value, dict) else value)]
    raise RefusedError(f"holds more than {_DEEPEST} containers inside each other")
