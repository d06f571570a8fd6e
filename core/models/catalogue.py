"""The models and SAE suites that are known by name: data, a few lines an entry.

Knows: hub names, layers, refusal tokens and what the paper used. Does not know: how anything is loaded. SAEs are named
as SAELens names them, so what a suite holds is SAELens's to say (`core.saes.published`).
A name is “model” for its first suite, or “model/suite”; “model/suite-l0-50” where a suite is published at several
sparsities takes, in every layer, the one nearest to 50 active features a token. “+no-system” at the end leaves out the
system block that a model's chat template writes before every request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from core.errors import UnknownModelError
from core.saes.published import SaeRef, published, residual_saes


@dataclass(frozen=True)
class Suite:
    """sae_id: SAELens's, with {layer} in it. layers: those opened when no others are asked for. neuronpedia:
    “model/source” of its pages with {layer} in it, empty without any. sparser: the release and width in whose ids
    average_l0_… says the sparsity, where there are several. caveat: what to bear in mind with these SAEs on the model.
    """

    name: str
    release: str
    sae_id: str
    layers: tuple[int, ...]
    caveat: str
    neuronpedia: str = ""
    sparser: tuple[str, str] | None = None


@dataclass(frozen=True)
class KnownModel:
    """refusal_tokens: of “I”. steering_layer: the paper's, None for models it did not use. gated: whether the hub wants
    its licence accepted. system_block: whether its chat template writes one unasked.
    """

    name: str
    model_id: str
    refusal_tokens: tuple[int, ...]
    suites: tuple[Suite, ...]
    steering_layer: int | None = None
    gated: bool = True
    system_block: bool = False


#: What a name ends with where the system block is left out.
NO_SYSTEM = "+no-system"


class Choice(NamedTuple):
    """A model with one of its suites; l0: which sparsity was asked for, None for the suite's own. no_system: without
    the system block its chat template writes.
    """

    model: KnownModel
    suite: Suite
    l0: int | None = None
    no_system: bool = False

    @property
    def name(self) -> str:
        is_default = self.suite is self.model.suites[0] and self.l0 is None
        suffix = "" if self.l0 is None else f"-l0-{self.l0}"
        named = self.model.name if is_default else f"{self.model.name}/{self.suite.name}{suffix}"
        return named + (NO_SYSTEM if self.no_system else "")

    def saes(self, layers: tuple[int, ...] | None = None) -> dict[int, SaeRef]:
        """layer → its SAE. Raises InputError for a layer the suite does not have."""
        return {layer: self._sae(layer) for layer in (self.suite.layers if layers is None else layers)}

    def _sae(self, layer: int) -> SaeRef:
        if self.l0 is None or self.suite.sparser is None:
            ref = SaeRef(self.suite.release, self.suite.sae_id.format(layer=layer))
            published(ref)  # says so where there is none
            return ref
        release, width = self.suite.sparser
        wanted = self.l0
        here = {_l0(ref): ref for ref in residual_saes(release).get(layer, ()) if f"/{width}/" in ref.sae_id}
        return here[min(here, key=lambda l0: (abs(l0 - wanted), l0))]


def _l0(ref: SaeRef) -> int:
    return int(ref.sae_id.rpartition("_")[2])


#: Said of suites trained on the base model and used on the one trained to follow instructions.
_BASE_SAES = (
    "Its SAEs were trained on the base model, not on the instruct model: "
    "look at the reconstruction error of each layer."
)
_INSTRUCT_SAES = "Its SAEs were trained on this very model."
_ABOVE = (
    "Its SAE was trained on this very model, but reads after layer 19 alone, above the layer where the paper steers."
)


def _gemma_scope(width: str, layers: tuple[int, ...]) -> Suite:
    return Suite(
        width,
        "gemma-scope-2b-pt-res-canonical",
        f"layer_{{layer}}/width_{width}/canonical",
        layers,
        _BASE_SAES,
        f"gemma-2-2b/{{layer}}-gemmascope-res-{width}",
        ("gemma-scope-2b-pt-res", f"width_{width}"),
    )


def _llama_scope(expansion: str, width: str, layers: tuple[int, ...]) -> Suite:
    return Suite(
        expansion,
        f"llama_scope_lxr_{expansion}",
        f"l{{layer}}r_{expansion}",
        layers,
        _BASE_SAES,
        f"llama3.1-8b/{{layer}}-llamascope-res-{width}",
    )


def _gemma_scope_2(size: str, layers: int, four: tuple[int, ...]) -> tuple[Suite, ...]:
    every, release = tuple(range(layers)), f"gemma-scope-2-{size}-it-res"
    some = tuple(
        Suite(
            f"{width}-medium",
            release,
            f"layer_{{layer}}_width_{width}_l0_medium",
            four,
            _INSTRUCT_SAES,
            f"gemma-3-{size}-it/{{layer}}-gemmascope-2-res-{width}",
        )
        for width in ("16k", "65k", "262k")
    )
    whole = tuple(
        Suite(f"{width}-{l0}", f"{release}-all", f"layer_{{layer}}_width_{width}_l0_{l0}", every, _INSTRUCT_SAES)
        for width in ("16k", "262k")
        for l0 in ("small", "big")
    )
    return whole + some


_ANDYRDT = Suite(
    "andyrdt",
    "llama-3.1-8b-instruct-andyrdt",
    "resid_post_layer_{layer}_trainer_1",
    (3, 7, 11, 15, 19, 23, 27),
    _INSTRUCT_SAES,
    "llama3.1-8b-it/{layer}-resid-post-aa",
)
_GOODFIRE = Suite(
    "goodfire", "goodfire-llama-3.1-8b-instruct", "layer_{layer}", (19,), _ABOVE, "llama3.1-8b-it/{layer}-resid-post-gf"
)

#: Layers the paper searched: above the excluded ones, up to the steering layer.
_GEMMA_2, _LLAMA = tuple(range(2, 17)), tuple(range(2, 14))

KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        "gemma-2-2b-it",
        "google/gemma-2-2b-it",
        (235285,),
        (_gemma_scope("65k", _GEMMA_2), _gemma_scope("16k", _GEMMA_2)),
        steering_layer=16,
    ),
    KnownModel(
        "llama-3.1-8b-instruct",
        "meta-llama/Llama-3.1-8B-Instruct",
        (40,),
        (_llama_scope("8x", "32k", _LLAMA), _llama_scope("32x", "131k", _LLAMA), _ANDYRDT, _GOODFIRE),
        steering_layer=13,
        system_block=True,
    ),
    KnownModel("gemma-3-270m-it", "google/gemma-3-270m-it", (236777,), _gemma_scope_2("270m", 18, (5, 9, 12, 15))),
    KnownModel("gemma-3-1b-it", "google/gemma-3-1b-it", (236777,), _gemma_scope_2("1b", 26, (7, 13, 17, 22))),
    KnownModel("gemma-3-4b-it", "google/gemma-3-4b-it", (236777,), _gemma_scope_2("4b", 34, (9, 17, 22, 29))),
)


def catalogue_names() -> tuple[str, ...]:
    """Every model, and each with its further suites."""
    return tuple(Choice(model, suite).name for model in KNOWN_MODELS for suite in model.suites)


def model_of(name: str) -> KnownModel | None:
    """The model that a name of the catalogue's is about, whatever suite and options it names; None for other names."""
    head = re.split("[/+]", name)[0]
    return next((model for model in KNOWN_MODELS if model.name == head), None)


def choice_named(name: str) -> Choice:
    """The model and suite of a name. Raises UnknownModelError."""
    given, no_system = name.removesuffix(NO_SYSTEM), name.endswith(NO_SYSTEM)
    head, _, rest = given.partition("/")
    model = next((model for model in KNOWN_MODELS if model.name == head), None)
    if model is None:
        raise UnknownModelError(f"No model is called “{head:.60}”; known: {', '.join(m.name for m in KNOWN_MODELS)}.")
    if no_system and not model.system_block:
        raise UnknownModelError(f"{head} writes no system block of its own; leave “{NO_SYSTEM}” out.")
    if not rest:
        return Choice(model, model.suites[0], None, no_system)
    found = re.fullmatch(r"(.+?)(?:-l0-(\d+))?", rest)
    suite = next((suite for suite in model.suites if found and suite.name == found[1]), None)
    if suite is None or (found and found[2] and suite.sparser is None):
        raise UnknownModelError(
            f"{head} has no SAE suite “{rest:.60}”; choose one of {', '.join(s.name for s in model.suites)}"
            + (", with -l0-N for another sparsity." if any(s.sparser for s in model.suites) else ".")
        )
    return Choice(model, suite, int(found[2]) if found and found[2] else None, no_system)
