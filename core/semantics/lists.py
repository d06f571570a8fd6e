"""A list of features with a name, as a file that other tools read: the JSON of Neuronpedia's lists.

    {"name": …, "description": …, "features": [{"modelId": …, "layer": …, "index": …, "description": …}, …]}

There “layer” is a source, such as “20-gemmascope-res-16k”; for a model without pages on Neuronpedia it is the layer
alone, and “modelId” the name it has here. Knows: that format. Does not know: where lists are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

from core.edits.edits import Feature
from core.errors import InputError
from core.models.spec import ModelSpec
from core.schemas.neuronpedia import ListedFeature, ListedFeatures
from core.shaped import parsed
from core.text.json_text import json_text

#: More than this is no list that somebody made by hand.
MOST = 5_000
#: Letters of an address that servers take.
LONGEST_ADDRESS = 8_000


@dataclass(frozen=True)
class FeatureList:
    """notes: what the list says of a feature, such as its label; may be missing for any."""

    name: str
    features: tuple[Feature, ...]
    description: str = ""
    notes: Mapping[Feature, str] = field(default_factory=dict, hash=False)


def write_list(found: FeatureList, spec: ModelSpec) -> str:
    """As JSON text that `read_list` reads back."""
    rows = [_row(feature, spec) | {"description": found.notes.get(feature, "")} for feature in found.features]
    value = {"name": found.name, "description": found.description, "features": rows}
    return json_text(value, ascii_only=False, indent=1) + "\n"


def quick_list(found: FeatureList, spec: ModelSpec, site: str) -> str:
    """The address at which Neuronpedia shows this list; empty where a feature has no page there, and for more features
    than an address has room for. site: Neuronpedia's own address."""
    if not found.features or any(feature.layer not in spec.neuronpedia for feature in found.features):
        return ""
    rows = json_text([_row(feature, spec) for feature in found.features])
    address = f"{site}/quick-list/?{urlencode({'name': found.name, 'features': rows}, quote_via=quote)}"
    return address if len(address) <= LONGEST_ADDRESS else ""


def read_list(text: str, spec: ModelSpec, name: str = "The list") -> FeatureList:
    """name: what the file is called, for errors. Raises InputError for what is no list, or is of another model."""
    try:
        found = parsed(ListedFeatures, text)
    except ValueError as error:
        raise InputError(
            f"{name} is no list of features ({error}). Give a JSON file with “features”, each "
            "with modelId, layer and index, as Neuronpedia writes it."
        ) from error
    pairs = [(Feature(row.layer_number, row.index), row) for row in found.features]
    if not pairs:
        raise InputError(f"{name} has no features.")
    if len(pairs) > MOST:
        raise InputError(f"{name} has {len(pairs):,} features; the most is {MOST:,}. Divide it.")
    for feature, row in pairs:
        _check_model(feature, row, spec, name)
    notes = {feature: row.description for feature, row in pairs if row.description}
    features = tuple(dict.fromkeys(feature for feature, _ in pairs))
    return FeatureList(found.name, features, found.description or "", notes)


def _row(feature: Feature, spec: ModelSpec) -> dict[str, str]:
    model, slash, source = spec.neuronpedia.get(feature.layer, "").partition("/")
    return {
        "modelId": model if slash else spec.name,
        "layer": source if slash else str(feature.layer),
        "index": str(feature.index),
    }


def _check_model(feature: Feature, row: ListedFeature, spec: ModelSpec, name: str) -> None:
    """Raises InputError where a feature is of another model, or of another SAE of this one."""
    model, source = row.modelId, row.layer
    here = spec.neuronpedia.get(feature.layer)
    # Without pages on Neuronpedia a layer is a number alone: “1-res” is a source, of whatever SAE.
    ours = f"{model}/{source}" == here if here else model in ("", spec.name) and source.isdecimal()
    if not ours:
        raise InputError(
            f"{name} names {feature} of {model or 'an unknown model'}, {source}, and “{spec.name}” has "
            f"{here or f'layer {feature.layer} of {spec.name}'} there. Load that model first."
        )
