"""From a list of edit sets to what each layer's hook multiplies by.

Knows: edits, dictionaries, and a device to put columns on. Does not know: models or hooks.
For each layer the features that any row edits or watches are put on the device once (the *union*); what each row asks
of them stands in the tables of `core.forward.tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from core.edits.edits import POSITIONS, Edits, Feature
from core.edits.validation import ModelShape, check_edits, named_features, sensors_of
from core.forward.own_features import OwnFeatures, own_features
from core.forward.tables import Tier, make_tables
from core.saes.columns import Columns
from core.saes.dictionary import Dictionary


@dataclass(frozen=True)
class LayerPlan:
    """One layer's columns and what each edit set asks of them.

    columns: the union's, float32 on the device. target: float32 [edits, groups, union], NaN = leave alone; None
    when the layer is only watched. strength: the same shape, None where all are 1. tiers: what is held on conditions,
    on top of `target`, in order. watched: where in the union each watched feature of this layer stands, and which
    watch slot it fills; sensed the same for sensors. own: `target` without what is left alone, where that is the faster
    way; None where all of the union is computed.
    """

    columns: Columns
    input_bias: torch.Tensor | None
    target: torch.Tensor | None
    watched: torch.Tensor | None  # int64 [w], into the union
    watch_slots: tuple[int, ...]
    strength: torch.Tensor | None = None
    tiers: tuple[Tier, ...] = ()
    sensed: torch.Tensor | None = None  # int64 [s], into the union
    sensor_slots: tuple[int, ...] = ()
    own: OwnFeatures | None = None


@dataclass(frozen=True)
class DirectionPlan:
    """unit: float32 [edits, d_model], the vector ablated by each set (zeros = none).

    strength: float32 [edits, groups], how much of the component is taken out; 0 where nothing is.
    """

    unit: torch.Tensor
    strength: torch.Tensor


@dataclass(frozen=True)
class AdditionPlan:
    """Per layer, float32 [edits, groups, d_model]: what each set adds to resid_post."""

    vector: torch.Tensor


@dataclass(frozen=True)
class Plan:
    """Everything the hooks need for one list of edit sets, without tokens.

    layers: layer → LayerPlan, on that layer's device. ablations: device → DirectionPlan, the same on each device that
    hidden states pass through; empty where no set ablates a direction. group_bits: the position bits that tell groups
    apart; `group_of` maps a token's position bits to its group. lowest: the first layer at which two sets can differ.
    """

    edits: tuple[Edits, ...]
    layers: Mapping[int, LayerPlan]
    ablations: Mapping[torch.device, DirectionPlan]
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
    device_of: Callable[[int], torch.device],
    read_columns: Callable[[Dictionary, tuple[int, ...]], Columns],
) -> Plan:
    """Compile. device: where hidden states enter the layers; device_of(layer): where they leave it.

    Raises InputError where `core.edits.validation.check_edits` does.
    """
    check_edits(edits, watch, ModelShape({layer: d.d_sae for layer, d in dictionaries.items()}, d_model, n_layers))
    arrays = [e.arrays for e in edits]
    edited = {int(layer) for one in arrays for layer in np.unique(one.layer)}
    sensors = sensors_of(edits)
    used = 1
    for one in arrays:
        used |= int(np.bitwise_or.reduce(one.position_bit, initial=0))
    for edit in edits:
        for item in edit.directions:
            used |= POSITIONS[item.positions]
    groups = tuple(sorted(_submasks(used)))
    layers = {}
    for layer, indices in named_features(edits, watch).items():
        union = np.array(sorted(indices), dtype=np.int64)
        dictionary, place = dictionaries[layer], device_of(layer)
        columns = read_columns(dictionary, tuple(union.tolist()))
        watched, slots = _slots(watch, layer, union, place)
        sensed, sensor_slots = _slots(sensors, layer, union, place)
        tables: tuple[torch.Tensor | None, torch.Tensor | None, tuple[Tier, ...]] = (None, None, ())
        if layer in edited:
            tables = make_tables(edits, arrays, layer, union, groups, sensors, place)
        bias = None if dictionary.input_bias is None else dictionary.input_bias.to(place)
        target, strength, tiers = tables
        own = None
        if target is not None and not (tiers or slots or sensor_slots):  # conditions and readings take whole tables
            own = own_features(target, strength)
        layers[layer] = LayerPlan(columns, bias, target, watched, slots, strength, tiers, sensed, sensor_slots, own)
    ablations = _ablations(edits, groups, d_model, {device, *map(device_of, range(n_layers))})
    additions = _additions(edits, groups, d_model, device_of)
    lowest = -1 if ablations else min([*edited, *additions], default=n_layers)
    return Plan(tuple(edits), layers, ablations, additions, used, groups, lowest)


def _submasks(bits: int) -> set[int]:
    """Every combination of position bits a token can have among the used ones (bit 1, “all”, is always set)."""
    masks, rest = {1}, bits & ~1
    while rest:
        bit = rest & -rest
        masks |= {m | bit for m in masks}
        rest &= ~bit
    return masks


def _slots(
    features: Sequence[Feature], layer: int, union: np.ndarray, device: torch.device
) -> tuple[torch.Tensor | None, tuple[int, ...]]:
    """Which of `features` are of this layer, as places in the union and in `features`."""
    slots = tuple(i for i, f in enumerate(features) if f.layer == layer)
    if not slots:
        return None, ()
    return torch.from_numpy(np.searchsorted(union, [features[i].index for i in slots])).to(device), slots


def _ablations(
    edits: Sequence[Edits], groups: tuple[int, ...], d_model: int, devices: set[torch.device]
) -> dict[torch.device, DirectionPlan]:
    items = [[d for d in e.directions if d.add is None] for e in edits]
    if not any(items):
        return {}
    unit = torch.zeros(len(edits), d_model)
    strength = torch.zeros(len(edits), len(groups))
    for row, found in enumerate(items):
        for item in found:
            unit[row] = item.direction.vector
            strength[row] = torch.tensor([item.strength * bool(g & POSITIONS[item.positions]) for g in groups])
    return {device: DirectionPlan(unit.to(device), strength.to(device)) for device in devices}


def _additions(
    edits: Sequence[Edits], groups: tuple[int, ...], d_model: int, device_of: Callable[[int], torch.device]
) -> dict[int, AdditionPlan]:
    vectors: dict[int, torch.Tensor] = {}
    for row, edit in enumerate(edits):
        for item in edit.directions:
            if item.add is None:
                continue
            vector = vectors.setdefault(item.direction.layer, torch.zeros(len(edits), len(groups), d_model))
            for g, mask in enumerate(groups):
                if mask & POSITIONS[item.positions]:
                    vector[row, g] += item.strength * item.add * item.direction.vector
    return {layer: AdditionPlan(vector.to(device_of(layer))) for layer, vector in vectors.items()}
