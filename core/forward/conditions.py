"""Edits that act only at tokens where a sensor feature fires: their tables, and how a pass consults them.

Knows: tables per edit set and what sensors read during a pass. Does not know: models, hooks or columns.
A layer's edits come in tiers (`core.edits.edits.FeatureArrays`): tier 0 is unconditional and is the layer's own table;
each later one overrides those before it at the tokens where its condition is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from core.edits.edits import Edits, Feature


@dataclass(frozen=True)
class Tier:
    """One tier of one layer. E edit sets, G position groups, U union features.

    target, strength: float32 [E, G, U] as in a LayerPlan, NaN where the tier says nothing. slots: the sensors it
    consults. sensor: int64 [E, U] into `slots`. threshold: float32 [E, U]; −inf where a set's items are unconditional.
    """

    target: torch.Tensor
    strength: torch.Tensor
    slots: tuple[int, ...]
    sensor: torch.Tensor
    threshold: torch.Tensor


class Local(Protocol):
    """What of a pass is on one device."""

    @property
    def rows(self) -> torch.Tensor: ...


class Reading(Protocol):
    """What of a pass is consulted: see `core.forward.hooks.Pass`."""

    sensed: dict[int, torch.Tensor]

    def on(self, device: torch.device) -> Local: ...
    def per_group(self, table: torch.Tensor) -> torch.Tensor: ...


def make_tier(
    edits: Sequence[Edits],
    chosen: Sequence[np.ndarray],
    union: np.ndarray,
    target: torch.Tensor,
    strength: torch.Tensor,
    sensors: Sequence[Feature],
    device: torch.device,
) -> Tier:
    """The tier whose items are `chosen` (bool [items] per edit set). sensors: the plan's, which slots count into."""
    sensor = np.zeros((len(edits), len(union)), dtype=np.int64)
    threshold = np.full(sensor.shape, -np.inf, dtype=np.float32)
    slots: dict[int, int] = {}
    for row, (one, here) in enumerate(zip(edits, chosen, strict=True)):
        for index, number in zip(one.arrays.index[here], one.arrays.sensor[here], strict=True):
            if number >= 0:
                column, (feature, least) = np.searchsorted(union, index), one.sensors[number]
                sensor[row, column] = slots.setdefault(sensors.index(feature), len(slots))
                threshold[row, column] = least
    on = (target.to(device), strength.to(device))
    return Tier(*on, tuple(slots), torch.from_numpy(sensor).to(device), torch.from_numpy(threshold).to(device))


def hold(
    tier: Tier, current: Reading, target: torch.Tensor, strength: torch.Tensor | None
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
