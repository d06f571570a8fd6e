"""Options that take one value are given once: of two values nothing says which one is meant.

Knows: argparse. Does not know: any option.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

_GIVEN = "given_options"


class Parser(argparse.ArgumentParser):
    """One that refuses an option's second value. Options that are meant to be repeated append."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)


class _StoreOnce(argparse.Action):
    """argparse's `store`, but an error where the option was given before."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        if option_string is not None:
            given: set[str] = namespace.__dict__.setdefault(_GIVEN, set())
            if self.dest in given:
                parser.error(f"{option_string} is given twice. Give it once.")
            given.add(self.dest)
        setattr(namespace, self.dest, values)
