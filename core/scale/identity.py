"""What must be the same wherever a part of a run is carried out, and how a difference is named.

Knows: an engine, prompts, settings and a judge. Does not know: files or workers. Rows of two models, two settings or
two versions in one table would be worth nothing, and nobody would see it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from core.discovery.context import Work
from core.models.trained import sae_names
from core.scale.facts import first_difference
from core.text.json_text import json_text
from core.versions import versions

_TITLES = {
    "prompts": "another list of prompts",
    "settings": "other settings",
    "judge": "another judge",
    "model": "another model",
    "weights": "other model files",
    "saes": "other SAEs",
    "direction": "another refusal direction",
    "thinking": "another choice of thinking",
    "number_format": "another number format",
    "device": "another kind of device",
    "versions": "other versions",
}
#: Facts whose values are short enough to stand in a sentence.
_SHOWN = ("judge", "model", "direction", "thinking", "number_format", "device", "versions")


@dataclass(frozen=True)
class Identity:
    """Every field is text. prompts: digest of prompts, categories, texts and reference answers. weights and saes:
    digests of what the files hold. device: the kind of device, such as “cuda”."""

    prompts: str
    settings: str
    judge: str
    model: str
    weights: str
    saes: str
    direction: str
    thinking: str
    number_format: str
    device: str
    versions: str

    @property
    def digest(self) -> str:
        """16 hex digits, the same for parts of one run."""
        return text_digest(json_text(asdict(self), sort_keys=True))

    def difference(self, other: Identity) -> str:
        """The first fact in which `other` is another, for the end of a sentence; empty where there is none."""
        hidden = [name for name in _TITLES if name not in _SHOWN]
        return first_difference(asdict(self), asdict(other), _TITLES, hidden)

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Identity:
        """The other way round of `asdict`. Raises KeyError and TypeError for anything else."""
        return cls(**{field.name: str(values[field.name]) for field in fields(cls)})


def identity_of(work: Work) -> Identity:
    """Of a run as this machine would carry it out."""
    engine = work.engine
    spec, digests = engine.spec, engine.runtime.digests
    return Identity(
        prompts=text_digest(work.inputs.to_json()),
        settings=work.settings.to_json(),
        judge=judge_text(work.judge.name, work.judge.revision),
        model=model_text(spec.name, spec.revision or ""),
        weights=digests.weights,
        saes=saes_digest(sae_names(spec), digests.sae_text),
        direction=engine.direction().key,
        thinking={None: "not possible", True: "on", False: "off"}[engine.runtime.template.thinking],
        number_format=engine.dtype,
        device=engine.device,
        versions=", ".join(f"{name} {version}" for name, version in versions().items()),
    )


def model_text(name: str, revision: str) -> str:
    """How a model is called here. revision: empty without one."""
    return f"{name} {revision}".strip()


def judge_text(name: str, revision: str) -> str:
    """How a judge is called here."""
    return f"{name} ({revision})"


def saes_digest(names: str, digests: str) -> str:
    """Of which SAEs there are and what their files hold, each as a run keeps it."""
    return text_digest(json_text([names, digests]))


def text_digest(text: str) -> str:
    """16 hex digits of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
