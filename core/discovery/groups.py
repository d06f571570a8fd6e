"""One group of prompts of one step: what it is, and how it is carried out on any machine.

Knows: what to do when memory runs out or a prompt fails. Does not know: order, resuming, or which machine this is
(`runner.py`, `core.scale`). A group is keyed by (run, step, number). Its size is fixed in the step's module and the
same whatever carries it out, because the prompts that share a forward pass can change a number's last bits.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from typing import Any, NamedTuple, Protocol

import torch

from core.discovery.context import Work
from core.discovery.ledger import Row
from core.errors import AssetError, HydrascopeError, StoreError
from core.forward.token_budget import at_most

#: Below so many tokens a forward pass, less memory is not the answer.
_FEWEST_TOKENS = 32
#: The step whose rows say that memory ran out.
MEMORY = "memory"
_log = logging.getLogger("hydrascope.discovery")


class Step(NamedTuple):
    """One kind of row. paper_stage: the paper's stage it belongs to, 0 for screening. section: its place in the
    paper. needs: the steps whose rows it reads, for its groups or for its values; it reads no others."""

    name: str
    title: str
    section: str
    paper_stage: int
    needs: tuple[str, ...]
    groups: Callable[[Work], list[list[str]]]
    do: Callable[[Work, Sequence[str]], list[dict[str, Any]]]


class Group(NamedTuple):
    """One group of a run. number: its place among the groups of its step, from 0."""

    step: Step
    number: int
    items: tuple[str, ...]


class Checkpoint(Protocol):
    """Asked between groups: returns at once to go on, waits while paused, raises to stop."""

    def __call__(self) -> None: ...


class Crew(Protocol):
    """Whoever carries out groups that do not depend on one another: this process, or many workers."""

    def __call__(self, work: Work, groups: Sequence[Group], checkpoint: Checkpoint) -> Generator[list[Row], None, None]:
        """The rows of every group, in the groups' order, as soon as they are there."""
        ...


def here(work: Work, groups: Sequence[Group], checkpoint: Checkpoint) -> Generator[list[Row], None, None]:
    """The crew that is this process: one group after another, each when it is asked for."""
    for group in groups:
        checkpoint()
        yield carry_out(work, group.step, group.items)


def carry_out(work: Work, step: Step, items: Sequence[str]) -> list[Row]:
    """A group's rows; where memory ran out, rows that say so stand before them. Nothing is written.

    A group that fails is done prompt by prompt, so that only what is at fault is a row with an error. Raises StoreError
    and AssetError, which are no prompt's fault.
    """
    told: dict[str, Row] = {}
    rows = _rows(work, step, items, told)
    return [*told.values(), *rows]


def _rows(work: Work, step: Step, items: Sequence[str], told: dict[str, Row]) -> list[Row]:
    try:
        values = _with_less_memory(work, step, items, told)
        return [Row(step.name, item, value) for item, value in zip(items, values, strict=True)]
    except (StoreError, AssetError):  # the disk is full, or files are gone or damaged
        raise
    except Exception as error:
        if len(items) > 1:
            return [row for item in items for row in _rows(work, step, [item], told)]
        if not isinstance(error, HydrascopeError):
            _log.exception("%s failed for %s", step.name, items[0])
        sentence = str(error) if isinstance(error, HydrascopeError) else f"{type(error).__name__}: {error}"
        return [Row(step.name, items[0], {}, sentence[:500])]


def _with_less_memory(work: Work, step: Step, items: Sequence[str], told: dict[str, Row]) -> list[dict[str, Any]]:
    """The step's work, with half the tokens a forward pass whenever memory runs out. told: gets a row a halving."""
    tokens = work.settings.tokens_per_forward
    while True:
        try:
            with at_most(tokens):
                return step.do(work, items)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error) or tokens // 2 < _FEWEST_TOKENS:
                raise
            tokens //= 2
            _log.warning("Out of memory in %s; going on with %d tokens a forward pass", step.name, tokens)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        item = f"{step.name}/{items[0]}/{tokens}"
        told[item] = Row(MEMORY, item, {"tokens_per_forward": tokens})


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on any device."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    text = str(error).lower()
    return "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
