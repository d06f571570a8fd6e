"""What a pool of workers tells of the groups that were given out. Knows: nothing but the shapes."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.errors import InputError


class Found(NamedTuple):
    """What came of a group that was given out."""

    key: int
    result: Any


class Refused(NamedTuple):
    """A group that nobody can do, because of what is in it."""

    key: int
    error: InputError


class Lost(NamedTuple):
    """A group that must be done again. at_fault: whether the worker was at it, and it may be the cause."""

    key: int
    at_fault: bool
    node: str
    reason: str
