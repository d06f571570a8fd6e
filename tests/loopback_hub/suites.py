"""The catalogue's models and SAE suites, tiny and random, on a loopback hub under their real names.

Knows: which family's layout each of the paper's models has. Does not know: what is tested.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core import ModelSpec
from core.models.registry import from_catalogue
from core.saes.published import published
from tests.loopback_hub.models import Family, tiny_causal_lm
from tests.loopback_hub.saes import tiny_sae
from tests.loopback_hub.server import LoopbackHub

LAYERS, D_MODEL = (2, 3, 4), 32
FAMILIES: dict[str, Family] = {
    "gemma-2-2b-it": "gemma2",
    "llama-3.1-8b-instruct": "llama3.1",
    "gemma-3-1b-it": "gemma3",
    "gemma-3-4b-it": "gemma3-4b",
}


def spec_of(name: str, layers: tuple[int, ...] = LAYERS) -> ModelSpec:
    """As in the catalogue, but for the refusal token (tiny vocabularies end before the real ones' “I”) and the
    steering layer, which lies above a tiny model's layers.
    """
    spec = from_catalogue(name, layers)
    return replace(spec, refusal_tokens=(40,), steering_layer=None if spec.steering_layer is None else 4)


def serve(
    hub: LoopbackHub, folder: Path, name: str, layers: tuple[int, ...] = LAYERS, d_model: int = D_MODEL
) -> ModelSpec:
    """Put the model and its SAEs on the hub under their real names."""
    spec = spec_of(name, layers)
    family = FAMILIES[name.partition("/")[0]]
    tiny_causal_lm(folder / "model", family, layers=max(layers) + 2, d_model=d_model)
    hub.add(spec.model_id, folder / "model")
    for layer, ref in spec.saes.items():
        known = published(ref)
        tiny_sae(folder / known.repo / known.folder, known.kind, layer, d_model=d_model)
    hub.add(known.repo, folder / known.repo)
    return spec
