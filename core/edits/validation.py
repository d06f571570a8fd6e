"""Whether a model can apply edits: an SAE at each layer, an index inside it, a direction of its width.

Pure functions of edits and of a few numbers of a model. Knows: those numbers. Does not know: weights, files, devices;
nothing is read, so a check costs microseconds however many features an edit names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.arguments import listed
from core.edits.edits import Edits, Feature
from core.edits.text import write_item
from core.errors import InputError


class ModelShape(NamedTuple):
    """What an edit can refer to. widths: layer → number of features of the SAE there, for every layer with one."""

    widths: Mapping[int, int]
    d_model: int
    n_layers: int


def check_edits(edits: Sequence[Edits], watch: Sequence[Feature], shape: ModelShape) -> None:
    """Raises InputError for the first thing that the model does not have: a layer, a feature, a direction."""
    named = named_features(edits, watch)
    for layer, indices in named.items():
        if layer not in shape.widths:
            have = ", ".join(map(str, sorted(shape.widths))) or "none"
            raise InputError(
                f"Layer {layer} has no SAE here, so feature {layer}-{min(indices)} cannot be used. Layers with an "
                f"SAE: {have}."
            )
    for edit in edits:
        _check_directions(edit, shape)
    for layer, indices in named.items():
        width = shape.widths[layer]
        if wrong := [index for index in indices if not 0 <= index < width]:
            raise InputError(
                f"Feature {layer}-{min(wrong)} does not exist: the SAE of layer {layer} has {width} features "
                f"(0 to {width - 1})."
            )


def named_features(edits: Sequence[Edits], watch: Sequence[Feature]) -> dict[int, set[int]]:
    """layer → indices of every feature that is edited, watched or a sensor."""
    named: dict[int, set[int]] = {}
    for edit in edits:
        one = edit.arrays
        for layer in np.unique(one.layer):
            named.setdefault(int(layer), set()).update(one.index[one.layer == layer].tolist())
    for feature in (*watch, *sensors_of(edits)):
        named.setdefault(feature.layer, set()).add(feature.index)
    return named


def sensors_of(edits: Sequence[Edits]) -> list[Feature]:
    """The features that some condition consults, each once, sorted."""
    return sorted({sensor.feature for edit in edits for sensor in edit.sensors})


def _check_directions(edit: Edits, shape: ModelShape) -> None:
    for item in edit.directions:
        if item.direction.vector.numel() != shape.d_model:
            raise InputError(
                f"The direction has {item.direction.vector.numel()} numbers but this model's residual stream has "
                f"{shape.d_model}. Use a direction that was computed for this model."
            )
        if item.add is not None and not 0 <= item.direction.layer < shape.n_layers:
            raise InputError(
                f"The direction is from layer {item.direction.layer}, but this model has layers 0 to "
                f"{shape.n_layers - 1}."
            )
    ablated = [item for item in edit.directions if item.add is None]
    if len({item.direction for item in ablated}) > 1:
        raise InputError("One set of edits ablates two directions. Use a separate set for each, or ablate only one.")
    if len(ablated) > 1:
        raise InputError(
            f"“{write_item(ablated[0])}” and “{write_item(ablated[1])}” ablate the direction twice. One set of edits "
            "can ablate it only once, at one place. Keep one of them."
        )


def edit_sets(edits: Edits | Sequence[Edits]) -> list[Edits]:
    """One edit set, or several, as a list. Raises InputError for anything else."""
    sets = listed([edits] if isinstance(edits, Edits) else edits, "Edits")
    if not sets or not all(isinstance(one, Edits) for one in sets):
        raise InputError("Edits must be Edits values. Edits() means no edit.")
    return sets
