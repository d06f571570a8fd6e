"""SAEs that were trained on this machine, as a suite of their model: `<model>/trained`.

Knows: where a training's files lie, and which of its SAEs are finished. Does not know: how an SAE is trained
(`core.training`), the registry. A suite is one set of settings; the last one that was finished is the model's.

    training/<model>/            answers and recordings, kept between trainings
    training/<model>/suite.json  which suite is in use, and its layers
    training/<model>/saes/<key>/layer_NN, labels/
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from core.kept_files import write_whole
from core.models.spec import ModelSpec
from core.paths import cache_folder
from core.saes.published import SaeRef
from core.text.json_text import json_text, json_value

#: What the name of such a suite ends with.
TRAINED = "trained"
_FINISHED = "suite.json"


class TrainedSuite(NamedTuple):
    """folder: of the SAEs. layers: those that are finished."""

    folder: Path
    layers: tuple[int, ...]

    @property
    def labels(self) -> Path:
        return self.folder / "labels"

    def sae(self, layer: int) -> Path:
        return self.folder / f"layer_{layer:02d}"


def base_name(name: str) -> str:
    """The model that a name is about, without its suite and options."""
    return re.split("[/+]", name)[0]


def suite_name(name: str) -> str:
    """What the trained suite of this model is called."""
    return f"{base_name(name)}/{TRAINED}"


def training_folder(name: str) -> Path:
    """Where the files of a model's trainings lie."""
    return cache_folder() / "training" / quote(base_name(name), safe="")


def suite_folder(name: str, key: str) -> Path:
    """Where the SAEs of one set of settings lie, or will. key: what the settings are known by."""
    return training_folder(name) / "saes" / key


def trained_suite(name: str) -> TrainedSuite | None:
    """The finished suite of this model; None where nothing was trained, or its files are gone."""
    try:
        found = json_value((training_folder(name) / _FINISHED).read_text(encoding="utf-8"))
        suite = TrainedSuite(suite_folder(name, found["key"]), tuple(sorted(map(int, found["layers"]))))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    here = tuple(layer for layer in suite.layers if (suite.sae(layer) / "cfg.json").is_file())
    return suite._replace(layers=here) if here else None


def finish_suite(name: str, key: str, layers: tuple[int, ...]) -> TrainedSuite:
    """Make the SAEs of these settings the model's suite. Layers of the same settings that were finished before stay."""
    before = trained_suite(name)
    kept = before.layers if before is not None and before.folder == suite_folder(name, key) else ()
    suite = TrainedSuite(suite_folder(name, key), tuple(sorted({*kept, *layers})))
    path = training_folder(name) / _FINISHED
    write_whole(path, json_text({"key": key, "layers": suite.layers}) + "\n")
    return suite


def with_trained(spec: ModelSpec, suite: TrainedSuite, name: str) -> ModelSpec:
    """`spec` with the SAEs and labels of a suite in place of its own, under this name."""
    own = " Its SAEs were trained on this machine, on the model's own chat text."
    return replace(
        spec,
        name=name,
        layers=suite.layers,
        saes={layer: suite.sae(layer) for layer in suite.layers},
        labels=suite.labels,
        neuronpedia={},
        caveat=(spec.caveat + own).strip(),
    )


def sae_name(place: Path | str) -> str:
    """What results call an SAE that lies in a folder: the folder's name; of one trained here, with its suite's key."""
    folder = Path(place)
    here = folder.is_relative_to(cache_folder() / "training")
    return f"{folder.parent.name}/{folder.name}" if here else folder.name


def named_saes(spec: ModelSpec) -> dict[int, str]:
    """layer → what results call the SAE there, by layer: release/sae_id, or the name of its folder."""
    saes = sorted(spec.saes.items())
    return {layer: str(sae) if isinstance(sae, SaeRef) else sae_name(sae) for layer, sae in saes}


def sae_names(spec: ModelSpec) -> str:
    """The same as one text: layer:name, comma-separated."""
    return ",".join(f"{layer}:{name}" for layer, name in named_saes(spec).items())


def trained_names() -> tuple[str, ...]:
    """Names of the models that have a trained suite, as their folders are called."""
    found = (cache_folder() / "training").glob(f"*/{_FINISHED}")
    return tuple(sorted(unquote(path.parent.name) for path in found))
