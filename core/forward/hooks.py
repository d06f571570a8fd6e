"""The hooks that edit and read the residual stream during a forward pass.

Knows: a transformers decoder's layers, plans and the pass under way. Does not know: prompts, files, scores.
Hooks are installed once, when a model is loaded, and do nothing unless a `Pass` is in the ContextVar of the calling
thread: the plain model stays the plain model, and two threads can never see each other's edits. Where a model is spread
over devices, a layer's plan lies on that layer's device, and what it found stays there until it is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn

from core.forward.plan import Plan
from core.forward.tables import Tier
from core.models.architecture import decoder_layers
from core.saes.columns import activations


class Local(NamedTuple):
    """What of a pass is looked up by tensors on one device, there: see `Pass`."""

    rows: torch.Tensor
    groups: torch.Tensor
    last: torch.Tensor | None
    direction: torch.Tensor | None


@dataclass(frozen=True, eq=False)
class PassRequest:
    """What is to be read during a pass, beside the features that its plan watches.

    direction: float32 [d_model], the unit vector to take cosines against; None for no cosines. every_token: cosines at
    all tokens instead of the last prompt token. residuals: layers whose resid_post is kept, before the layer's own
    edit. stop_after: the last layer that runs; None for all layers and the head.
    """

    direction: torch.Tensor | None = None
    every_token: bool = False
    residuals: frozenset[int] = frozenset()
    stop_after: int | None = None


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
    _local: dict[torch.device, Local] = field(default_factory=dict, init=False, repr=False)

    def on(self, device: torch.device) -> Local:
        """The tensors of this pass on `device`: themselves where they are there, else copied once."""
        if device not in self._local:
            here = (self.rows, self.groups, self.last, self.request.direction)
            self._local[device] = Local(*(None if one is None else one.to(device) for one in here))  # type: ignore[arg-type]
        return self._local[device]

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


def in_pass() -> bool:
    """Whether the calling thread is inside a measured forward."""
    return _CURRENT.get() is not None


def install_hooks(model: Any) -> None:
    """Put the hooks on, once for the life of the model."""
    layers = decoder_layers(model)
    layers[0].register_forward_pre_hook(_before_first)
    for index, layer in enumerate(layers):
        for name in ("self_attn", "attn", "attention", "mlp"):
            part = getattr(layer, name, None)
            if isinstance(part, nn.Module):
                part.register_forward_hook(_after_part)
        layer.register_forward_hook(_AfterLayer(index))
    model.get_output_embeddings().register_forward_pre_hook(_before_head)


def _first(output: Any) -> tuple[torch.Tensor, Any]:
    """(hidden states, how to put changed ones back) for blocks that return a tensor or a tuple."""
    if isinstance(output, tuple):
        return output[0], lambda h: (h, *output[1:])
    return output, lambda h: h


def _project_out(current: Pass, hidden: torch.Tensor) -> torch.Tensor:
    """h − (h·r̂) r̂ where the row's set ablates a direction; other rows are unchanged to the bit."""
    plan = current.plan.ablations[hidden.device]
    unit = plan.unit[current.on(hidden.device).rows][:, None, :]
    x = hidden.float()
    amount = (x * unit).sum(-1, keepdim=True)
    amount = amount * current.per_group(plan.strength)[..., None]
    return (x - amount * unit).to(hidden.dtype)


def _before_first(module: nn.Module, args: tuple) -> tuple | None:
    current = _CURRENT.get()
    if current is None or not current.plan.ablations:
        return None
    return (_project_out(current, args[0]), *args[1:])


def _after_part(module: nn.Module, args: tuple, output: Any) -> Any:
    current = _CURRENT.get()
    if current is None or not current.plan.ablations:
        return None
    hidden, put_back = _first(output)
    return put_back(_project_out(current, hidden))


class _AfterLayer:
    """The output hook of one decoder layer: watch, edit, read the cosine, in that order."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, module: nn.Module, args: tuple, output: Any) -> Any:
        current = _CURRENT.get()
        if current is None:
            return None
        hidden, put_back = _first(output)
        changed = hidden
        if current.expand_at == self.index:
            changed = changed.expand(len(current.rows), -1, -1)
        if self.index in current.request.residuals:
            current.residuals[self.index] = changed.float()
        changed = self._edit(current, changed)
        if current.plan.ablations:
            changed = _project_out(current, changed)
        if current.request.direction is not None:
            self._cosine(current, changed)
        if current.request.stop_after == self.index:
            raise Stopped
        return None if changed is hidden else put_back(changed)

    def _edit(self, current: Pass, hidden: torch.Tensor) -> torch.Tensor:
        plan = current.plan.layers.get(self.index)
        if plan is not None:
            x = hidden.float()
            f = activations(x, plan.columns, plan.input_bias)
            if plan.watched is not None:
                current.watched[self.index] = f[..., plan.watched]
            if plan.sensed is not None:
                current.sensed.update(zip(plan.sensor_slots, f[..., plan.sensed].unbind(-1), strict=True))
            if plan.target is not None:
                target = current.per_group(plan.target)
                strength = None if plan.strength is None else current.per_group(plan.strength)
                for tier in plan.tiers:
                    target, strength = _hold(tier, current, target, strength)
                # NaN − f is NaN where nothing is asked; nan_to_num makes those columns add exactly nothing.
                amount = torch.nan_to_num_(target - f, nan=0.0)
                if strength is not None:
                    amount *= strength
                hidden = (x + amount @ plan.columns.decoder).to(hidden.dtype)
        addition = current.plan.additions.get(self.index)
        if addition is not None:
            hidden = (hidden.float() + current.per_group(addition.vector)).to(hidden.dtype)
        return hidden

    def _cosine(self, current: Pass, hidden: torch.Tensor) -> None:
        here = current.on(hidden.device)
        assert here.direction is not None
        if current.request.every_token:
            x = hidden.float()
        elif here.last is not None:
            x = hidden[torch.arange(len(hidden), device=hidden.device), here.last[: len(hidden)]].float()
        else:
            return
        current.cosine[self.index] = (x @ here.direction) / x.norm(dim=-1).clamp_min(1e-12)


def _hold(
    tier: Tier, current: Pass, target: torch.Tensor, strength: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """target and strength, float32 [rows, positions or 1, U], with this tier's on top where its conditions are met.

    strength may be None for 1 everywhere. Sensors of lower layers may have been read in one row shared by all.
    """
    asked = current.per_group(tier.target)
    holds = ~asked.isnan()
    if tier.slots:
        device = tier.target.device
        rows = current.on(device).rows
        # A sensor may have been read on another device, of a layer further down.
        read = torch.stack([current.sensed[slot].to(device).expand(len(rows), -1) for slot in tier.slots], dim=-1)
        sensor = tier.sensor[rows][:, None, :].expand(-1, read.shape[1], -1)
        # Activations are never below 0, so a threshold of −inf is always passed.
        holds = holds & (read.gather(-1, sensor) > tier.threshold[rows][:, None, :])
    before = torch.ones_like(target) if strength is None else strength
    return torch.where(holds, asked, target), torch.where(holds, current.per_group(tier.strength), before)


def _before_head(module: nn.Module, args: tuple) -> tuple | None:
    """The head runs on each row's last prompt token, or where the pass says: [rows, positions, d] → [rows, h, d]."""
    current = _CURRENT.get()
    if current is None or current.last is None:
        return None
    hidden = args[0]
    if len(hidden) != len(current.last):  # nothing was edited, so the shared row never split
        hidden = hidden.expand(len(current.last), -1, -1)
    last = current.on(hidden.device).last
    assert last is not None
    where = last[:, None] if current.heads is None else current.heads.to(hidden.device)
    return (hidden[torch.arange(len(hidden), device=hidden.device)[:, None], where], *args[1:])
