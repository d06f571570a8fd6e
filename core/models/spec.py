"""What one auditable model is, as a value: where it lies, its SAEs, its refusal tokens.

Knows: names and paths. Does not know: how anything is found (`core.models.registry`) or loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from core.saes.published import SaeRef


@dataclass(frozen=True)
class ModelSpec:
    """One auditable model.

    name: how people call it. model_id: hub id or local folder of the plain transformers model ("demo-base" is the
    embedded demo's). layers: decoder layers with an SAE. refusal_tokens: ids whose summed probability at the last
    prompt position is P("I"). saes: layer → SAELens folder, or SAELens's names of a published SAE. adapter: PEFT
    folder merged into the weights at load.
    direction: file of the shipped refusal direction. prompts: csv of bundled prompts (kind, split, text).
    references: reference answers to some of them (`core.prompts.references`). labels: what is known of each feature
    without a network, a file or a folder of files made here. tour: stored results of the guided tour
    (`core.hydra.tour_file`). example_run: a finished run of the search, for its page to open at once.
    neuronpedia: layer → “model/source” of its SAE's pages there, for layers that have any.
    steering_layer: where the paper adds and removes the direction, None for models it did not use. caveat: what to bear
    in mind with this model. system: the system prompt; None as the chat template writes it, "" without the block that
    some templates always write.
    """

    name: str
    model_id: str
    layers: tuple[int, ...]
    refusal_tokens: tuple[int, ...]
    saes: Mapping[int, Path | SaeRef] = field(default_factory=dict, hash=False)
    adapter: Path | None = None
    direction: Path | None = None
    prompts: Path | None = None
    references: Path | None = None
    labels: Path | None = None
    tour: Path | None = None
    example_run: Path | None = None
    neuronpedia: Mapping[int, str] = field(default_factory=dict, hash=False)
    revision: str | None = None
    steering_layer: int | None = None
    caveat: str = ""
    system: str | None = None
