"""The hooks that edit and read the residual stream during a forward pass.

Knows: a transformers decoder's layers, and how the pass under way is obeyed. Does not know: prompts, files, scores.
Hooks are installed once, when a model is loaded, and do nothing unless a `Pass` is in the ContextVar of the calling
thread: the plain model stays the plain model, and two threads can never see each other's edits. Where a model is spread
over devices, a layer's plan lies on that layer's device, and what it found stays there until it is read.
"""

from __future__ import annotations

from typing import Any

import torch

from core.forward.own_features import hold_own
from core.forward.passes import HeldPart, Part, Pass, Stopped, current_pass
from core.forward.tables import Tier
from core.models.architecture import decoder_layers, layer_parts
from core.saes.columns import activations


def install_hooks(model: Any) -> None:
    """Put the hooks on, once for the life of the model."""
    layers = decoder_layers(model)
    layers[0].register_forward_pre_hook(_before_first)
    for index, layer in enumerate(layers):
        for name, part in layer_parts(layer).items():
            part.module.register_forward_hook(_AfterPart((index, name), True, part.adds is part.module))
            if part.adds is not part.module:
                part.adds.register_forward_hook(_AfterPart((index, name), False, True))
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


def _before_first(module: Any, args: tuple) -> tuple | None:
    current = current_pass()
    if current is None or not (current.plan.ablations or current.request.writes):
        return None
    hidden = args[0]
    current.keep(-1, "before", hidden)
    if current.plan.ablations:
        hidden = _project_out(current, hidden)
    current.keep(-1, "after", hidden)
    return (hidden, *args[1:])


class _AfterPart:
    """The output hook of an attention or MLP, or of the norm behind it: hold, project out, keep, in that order."""

    def __init__(self, part: Part, projects: bool, adds: bool) -> None:
        """projects: a direction is projected out here. adds: what is put out here is added to the residual stream."""
        self.part, self.projects, self.adds = part, projects, adds

    def __call__(self, module: Any, args: tuple, output: Any) -> Any:
        current = current_pass()
        if current is None:
            return None
        project, asked = self.projects and current.plan.ablations, current.request
        if not project and not asked.writes and not asked.held:
            return None
        hidden, put_back = _first(output)
        if self.adds and self.part in asked.held:
            hidden = _held(current, asked.held[self.part], hidden)
        if project:
            hidden = _project_out(current, hidden)
        if self.adds:
            current.keep(*self.part, hidden)
        return put_back(hidden)


def _held(current: Pass, held: HeldPart, hidden: torch.Tensor) -> torch.Tensor:
    """hidden [rows, positions, d] with the last prompt token's row replaced in the rows that are to be held."""
    here = current.on(hidden.device)
    if here.last is None or len(hidden) != len(here.rows):  # one row for all, below every edit: nothing has changed yet
        return hidden
    chosen = held.sets.to(hidden.device)[here.rows]
    hidden = hidden.clone()
    hidden[chosen, here.last[chosen]] = held.value.to(hidden)
    return hidden


class _AfterLayer:
    """The output hook of one decoder layer: watch, edit, read the cosine, in that order."""

    def __init__(self, index: int) -> None:
        self.index = index

    def __call__(self, module: Any, args: tuple, output: Any) -> Any:
        current = current_pass()
        if current is None:
            return None
        hidden, put_back = _first(output)
        changed = hidden
        if current.expand_at == self.index:
            changed = changed.expand(len(current.rows), -1, -1)
        if self.index in current.request.residuals:
            current.residuals[self.index] = changed.float()
        writes = current.request.writes
        if writes:
            current.keep(self.index, "before", changed)
        changed = self._edit(current, changed)
        if writes:
            current.keep(self.index, "edited", changed)
        if current.plan.ablations:
            changed = _project_out(current, changed)
        if writes:
            current.keep(self.index, "after", changed)
        if current.request.direction is not None:
            self._cosine(current, changed)
        if current.request.stop_after == self.index:
            raise Stopped
        return None if changed is hidden else put_back(changed)

    def _edit(self, current: Pass, hidden: torch.Tensor) -> torch.Tensor:
        plan = current.plan.layers.get(self.index)
        if plan is not None and plan.own is not None:
            here = current.on(hidden.device)
            held = hold_own(hidden.float(), plan.own, here.rows, here.groups, plan.columns, plan.input_bias)
            hidden = held.to(hidden.dtype)
        elif plan is not None:
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
            x = current.at_last(hidden)
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


def _before_head(module: Any, args: tuple) -> tuple | None:
    """The head runs on each row's last prompt token, or where the pass says: [rows, positions, d] → [rows, h, d]."""
    current = current_pass()
    if current is None or current.last is None:
        return None
    hidden = args[0]
    if len(hidden) != len(current.last):  # nothing was edited, so the shared row never split
        hidden = hidden.expand(len(current.last), -1, -1)
    last = current.on(hidden.device).last
    assert last is not None
    where = last[:, None] if current.heads is None else current.heads.to(hidden.device)
    return (hidden[torch.arange(len(hidden), device=hidden.device)[:, None], where], *args[1:])
