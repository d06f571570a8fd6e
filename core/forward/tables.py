"""What each edit set asks of one layer's features, as tables: where to hold them, how strongly, on which condition.

Knows: edit sets and a layer's union of features. Does not know: models, passes, columns.
Each row says with one number per union feature where to hold it, NaN meaning “leave it alone”. Strengths and conditions
have tables beside that one only where some edit has them. A layer's edits come in tiers
(`core.edits.edits.FeatureArrays`): tier 0 is unconditional and is the layer's own table; each later one overrides those
before it at the tokens where its condition is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.edits.edits import Edits, Feature, FeatureArrays


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


def make_tables(
    edits: Sequence[Edits],
    arrays: Sequence[FeatureArrays],
    layer: int,
    union: np.ndarray,
    groups: tuple[int, ...],
    sensors: Sequence[Feature],
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor | None, tuple[Tier, ...]]:
    """target, strength and tiers of one layer; only the first where all strengths are 1 and nothing has a condition."""
    here = [one.layer == layer for one in arrays]
    partial = any((one.strength[at] != 1).any() for one, at in zip(arrays, here, strict=True))
    highest = max(int(one.tier[at].max(initial=0)) for one, at in zip(arrays, here, strict=True))
    target, strength = _held(
        arrays, [at & (one.tier == 0) for one, at in zip(arrays, here, strict=True)], union, groups
    )
    tiers = []
    for number in range(1, highest + 1):
        chosen = [at & (one.tier == number) for one, at in zip(arrays, here, strict=True)]
        tables = _held(arrays, chosen, union, groups)
        tiers.append(_tier(edits, chosen, union, *tables, sensors, device))
    return target.to(device), strength.to(device) if partial else None, tuple(tiers)


def _held(
    arrays: Sequence[FeatureArrays], chosen: Sequence[np.ndarray], union: np.ndarray, groups: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """target and strength of the chosen items, float32 [edits, groups, union]; the last one written holds."""
    target = np.full((len(arrays), len(groups), len(union)), np.nan, dtype=np.float32)
    strength = np.ones_like(target)
    for row, (one, here) in enumerate(zip(arrays, chosen, strict=True)):
        if not here.any():
            continue
        where, bit = np.searchsorted(union, one.index[here]), one.position_bit[here]
        value, power = one.value[here], one.strength[here]
        if (bit == bit[0]).all():  # one kind of position: no order to keep, features are unique
            for g, mask in enumerate(groups):
                if mask & bit[0]:
                    target[row, g, where], strength[row, g, where] = value, power
        else:
            for u, v, s, b in zip(where, value, power, bit, strict=True):
                for g, mask in enumerate(groups):
                    if mask & b:
                        target[row, g, u], strength[row, g, u] = v, s
    return torch.from_numpy(target), torch.from_numpy(strength)


def _tier(
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
