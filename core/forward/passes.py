"""What one forward pass is to do and what it found, and which pass the calling thread is in.

Knows: plans, tensors. Does not know: the hooks that obey a pass (`core.forward.hooks`), or who makes it
(`core.forward.batches`). The pass is in a ContextVar, so two threads can never see each other's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NamedTuple

import torch

from core.forward.plan import Plan


class Local(NamedTuple):
    """What of a pass is looked up by tensors on one device, there: see `Pass`."""

    rows: torch.Tensor
    groups: torch.Tensor
    last: torch.Tensor | None
    direction: torch.Tensor | None


#: A part of a layer: its layer, and “attention” or “mlp”.
Part = tuple[int, str]


class HeldPart(NamedTuple):
    """What a part is made to add at the last prompt token instead of what it would: `value` float32 [d_model], in the
    edit sets for which `sets`, bool [sets], is true."""

    sets: torch.Tensor
    value: torch.Tensor


@dataclass(frozen=True, eq=False)
class PassRequest:
    """What is to be read during a pass, beside the features that its plan watches.

    direction: float32 [d_model], the unit vector to take cosines against; None for no cosines. every_token: cosines at
    all tokens instead of the last prompt token. residuals: layers whose resid_post is kept, before the layer's own
    edit. stop_after: the last layer that runs; None for all layers and the head. writes: keep what every part and edit
    writes at the last prompt token. held: parts held there, before a direction is projected out of them; of one prompt.
    """

    direction: torch.Tensor | None = None
    every_token: bool = False
    residuals: frozenset[int] = frozenset()
    stop_after: int | None = None
    writes: bool = False
    held: Mapping[Part, HeldPart] = field(default_factory=dict)


#: Logits, and what the plan watches.
NOTHING_MORE = PassRequest()


@dataclass
class Pass:
    """What one forward is to do, and what it found. Lives for one forward; never kept. Made by `core.forward.batches`.

    rows: int64 [rows], which edit set each row carries. groups: int64 [rows, positions], the position group of each
    token of this forward. last: int64 [rows], index of the last prompt token in this forward, or None: then the head
    runs at every position. heads: int64 [rows, h], positions at which the head runs instead of at `last`, or None.
    expand_at: after this layer the single row becomes len(rows) rows (layers below it are the same for all); None when
    all rows are there from the start.
    """

    plan: Plan
    rows: torch.Tensor
    groups: torch.Tensor
    last: torch.Tensor | None = None
    request: PassRequest = NOTHING_MORE
    expand_at: int | None = None
    heads: torch.Tensor | None = None
    cosine: dict[int, torch.Tensor] = field(
        default_factory=dict
    )  # layer → [rows], or [rows, positions] with every_token
    watched: dict[int, torch.Tensor] = field(default_factory=dict)  # layer → [rows, positions, w]
    sensed: dict[int, torch.Tensor] = field(default_factory=dict)  # sensor slot → [rows, positions]
    residuals: dict[int, torch.Tensor] = field(default_factory=dict)  # layer → [rows, positions, d_model], before edits
    # With `request.writes`, float32 [rows, d_model] at the last prompt token: (layer, “attention” or “mlp”), what that
    # part adds; (layer, “before”, “edited” or “after”), resid_post before the layer's edit, under it, and as it leaves,
    # after a direction was projected out. (−1, “before” and “after”): the first block's input.
    written: dict[Part, torch.Tensor] = field(default_factory=dict)
    _local: dict[torch.device, Local] = field(default_factory=dict, init=False, repr=False)

    def on(self, device: torch.device) -> Local:
        """The tensors of this pass on `device`: themselves where they are there, else copied once."""
        if device not in self._local:
            here = (self.rows, self.groups, self.last, self.request.direction)
            self._local[device] = Local(*(None if one is None else one.to(device) for one in here))  # type: ignore[arg-type]
        return self._local[device]

    def at_last(self, hidden: torch.Tensor) -> torch.Tensor:
        """hidden [rows, positions, d] → float32 [rows, d] at each last prompt token; one row where all share one."""
        last = self.on(hidden.device).last
        assert last is not None
        return hidden[torch.arange(len(hidden), device=hidden.device), last[: len(hidden)]].float()

    def keep(self, layer: int, what: str, hidden: torch.Tensor) -> None:
        """Put the last prompt token's row into `written`, where that is asked for."""
        if self.request.writes and self.last is not None:
            self.written[layer, what] = self.at_last(hidden)

    def per_group(self, table: torch.Tensor) -> torch.Tensor:
        """table [edits, groups, ...] → [rows, positions, ...] or [rows, 1, ...] when there is one group only."""
        here = self.on(table.device)
        if table.shape[1] == 1:
            return table[here.rows]
        return table[here.rows[:, None], here.groups]


class Stopped(Exception):  # noqa: N818 (not an error: enough has run)
    """Raised out of a forward whose pass asks for `stop_after`; nothing above that layer has run."""


_CURRENT: ContextVar[Pass | None] = ContextVar("hydrascope_pass", default=None)


@contextmanager
def running(current: Pass) -> Iterator[Pass]:
    """Make `current` the pass the hooks of this thread act on, and put back what was there before, whatever happens."""
    token = _CURRENT.set(current)
    try:
        yield current
    finally:
        _CURRENT.reset(token)


def current_pass() -> Pass | None:
    """The pass that the calling thread is in, if any."""
    return _CURRENT.get()


def in_pass() -> bool:
    """Whether the calling thread is inside a measured forward."""
    return _CURRENT.get() is not None
