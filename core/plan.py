"""From a list of edit sets to what each layer's hook multiplies by.

Knows: edits, dictionaries, and a device to put columns on. Does not know: models or hooks.
For each layer the features that any row edits or watches are put on the device once (the *union*); each row says
with one number per union feature where to hold it, NaN meaning “leave it alone”.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.dictionaries import Columns, Dictionary
from core.edits import POSITIONS, Edits, Feature, FeatureArrays
from core.errors import InputError


@dataclass(frozen=True)
class LayerPlan:
    """One layer's columns and what each edit set asks of them.

    columns: the union's, float32 on the device. target: float32 [edits, groups, union], NaN = leave alone; None
    when the layer is only watched. watched: where in the union each watched feature of this layer stands, and which
    watch slot it fills.
    """

    columns: Columns
    input_bias: torch.Tensor | None
    target: torch.Tensor | None
    watched: torch.Tensor | None  # int64 [w], into the union
    watch_slots: tuple[int, ...]


@dataclass(frozen=True)
class DirectionPlan:
    """unit: float32 [edits, d_model], the vector ablated by each set (zeros = none). groups: bool [edits, groups]."""

    unit: torch.Tensor
    groups: torch.Tensor


@dataclass(frozen=True)
class AdditionPlan:
    """Per layer, float32 [edits, groups, d_model]: what each set adds to resid_post."""

    vector: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """Everything the hooks need for one list of edit sets, without tokens.

    layers: layer → LayerPlan. group_bits: the position bits that tell groups apart; `group_of` maps a token's
    position bits to its group. lowest: the first layer at which two sets can differ.
    """

    edits: tuple[Edits, ...]
    layers: Mapping[int, LayerPlan]
    ablation: DirectionPlan | None
    additions: Mapping[int, AdditionPlan]
    used_bits: int
    groups: tuple[int, ...]
    lowest: int

    def group_of(self, position_bits: np.ndarray) -> torch.Tensor:
        """int64 tensor like `position_bits`: the group of each token."""
        masked = position_bits & self.used_bits
        return torch.from_numpy(np.searchsorted(np.array(self.groups), masked))


def make_plan(
    edits: Sequence[Edits],
    watch: Sequence[Feature],
    dictionaries: Mapping[int, Dictionary],
    d_model: int,
    n_layers: int,
    device: torch.device,
    read_columns: Callable[[Dictionary, tuple[int, ...]], Columns],
) -> Plan:
    """Compile. Raises InputError for a layer without an SAE or an index outside it."""
    arrays = [e.arrays for e in edits]
    named: dict[int, set[int]] = {}
    for one in arrays:
        for layer in np.unique(one.layer):
            named.setdefault(int(layer), set()).update(one.index[one.layer == layer].tolist())
    edited = set(named)
    for feature in watch:
        named.setdefault(feature.layer, set()).add(feature.index)
    for layer in named:
        if layer not in dictionaries:
            have = ", ".join(map(str, sorted(dictionaries))) or "none"
            raise InputError(
                f"Layer {layer} has no SAE here, so feature {layer}-{min(named[layer])} cannot be used; "
                f"layers with one: {have}."
            )
    used = 0
    for one in arrays:
        used |= int(np.bitwise_or.reduce(one.position_bit, initial=0))
    directions = [d for e in edits for d in e.directions]
    for item in directions:
        used |= POSITIONS[item.positions]
        if item.direction.vector.numel() != d_model:
            raise InputError(
                f"The direction has {item.direction.vector.numel()} numbers but this model's residual stream has "
                f"{d_model}; use a direction of this model."
            )
        if item.add is not None and not 0 <= item.direction.layer < n_layers:
            raise InputError(
                f"The direction is from layer {item.direction.layer}, but this model has layers 0 to {n_layers - 1}."
            )
    used |= 1
    groups = tuple(sorted(_submasks(used)))
    layers = {}
    for layer, indices in named.items():
        union = np.array(sorted(indices), dtype=np.int64)
        dictionary = dictionaries[layer]
        columns = read_columns(dictionary, tuple(union.tolist()))
        target = _targets(arrays, layer, union, groups).to(device) if layer in edited else None
        slots = tuple(i for i, f in enumerate(watch) if f.layer == layer)
        watched = None
        if slots:
            watched = torch.from_numpy(np.searchsorted(union, [watch[i].index for i in slots])).to(device)
        bias = dictionary.input_bias
        layers[layer] = LayerPlan(columns, None if bias is None else bias.to(device), target, watched, slots)
    ablation = _ablation(edits, groups, d_model, device)
    additions = _additions(edits, groups, d_model, device)
    lowest = -1 if ablation is not None else min([*edited, *additions], default=n_layers)
    return Plan(tuple(edits), layers, ablation, additions, used, groups, lowest)


def _submasks(bits: int) -> set[int]:
    """Every combination of position bits a token can have among the used ones (bit 1, “all”, is always set)."""
    masks, rest = {1}, bits & ~1
    while rest:
        bit = rest & -rest
        masks |= {m | bit for m in masks}
        rest &= ~bit
    return masks


def _targets(arrays: Sequence[FeatureArrays], layer: int, union: np.ndarray, groups: tuple[int, ...]) -> torch.Tensor:
    """float32 [edits, groups, union]. Items in order, so that the last one written holds."""
    target = np.full((len(arrays), len(groups), len(union)), np.nan, dtype=np.float32)
    for row, one in enumerate(arrays):
        here = one.layer == layer
        if not here.any():
            continue
        where, value, bit = np.searchsorted(union, one.index[here]), one.value[here], one.position_bit[here]
        if (bit == bit[0]).all():  # one kind of position: no order to keep, features are unique
            for g, mask in enumerate(groups):
                if mask & bit[0]:
                    target[row, g, where] = value
        else:
            for u, v, b in zip(where, value, bit, strict=True):
                for g, mask in enumerate(groups):
                    if mask & b:
                        target[row, g, u] = v
    return torch.from_numpy(target)


def _ablation(
    edits: Sequence[Edits], groups: tuple[int, ...], d_model: int, device: torch.device
) -> DirectionPlan | None:
    items = [[d for d in e.directions if d.add is None] for e in edits]
    if not any(items):
        return None
    if any(len(row) > 1 for row in items):
        raise InputError("One edit set ablates two directions; give each its own set, or ablate one.")
    unit = torch.zeros(len(edits), d_model)
    where = torch.zeros(len(edits), len(groups), dtype=torch.bool)
    for row, found in enumerate(items):
        for item in found:
            unit[row] = item.direction.vector
            where[row] = torch.tensor([bool(g & POSITIONS[item.positions]) for g in groups])
    return DirectionPlan(unit.to(device), where.to(device))


def _additions(
    edits: Sequence[Edits], groups: tuple[int, ...], d_model: int, device: torch.device
) -> dict[int, AdditionPlan]:
    vectors: dict[int, torch.Tensor] = {}
    for row, edit in enumerate(edits):
        for item in edit.directions:
            if item.add is None:
                continue
            vector = vectors.setdefault(item.direction.layer, torch.zeros(len(edits), len(groups), d_model))
            for g, mask in enumerate(groups):
                if mask & POSITIONS[item.positions]:
                    vector[row, g] += item.add * item.direction.vector
    return {layer: AdditionPlan(vector.to(device)) for layer, vector in vectors.items()}
