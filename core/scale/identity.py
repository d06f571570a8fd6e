"""What must be the same wherever a part of a run is carried out, and how a difference is named.

Knows: an engine, prompts, settings and a judge. Does not know: files or workers. Rows of two models, two settings or
two versions in one table would be worth nothing, and nobody would see it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from core.discovery.context import Work
from core.models.trained import named_saes
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
        return _digest(json_text(asdict(self), sort_keys=True))

    def difference(self, other: Identity) -> str:
        """The first fact in which `other` is another, for the end of a sentence; empty where there is none."""
        for field in fields(self):
            mine, its = getattr(self, field.name), getattr(other, field.name)
            if mine != its:
                shown = f" ({its or 'none'}, here {mine or 'none'})" if field.name in _SHOWN else ""
                return _TITLES[field.name] + shown
        return ""

    @classmethod
    def from_values(cls, values: Mapping[str, object]) -> Identity:
        """The other way round of `asdict`. Raises KeyError and TypeError for anything else."""
        return cls(**{field.name: str(values[field.name]) for field in fields(cls)})


def identity_of(work: Work) -> Identity:
    """Of a run as this machine would carry it out."""
    engine = work.engine
    spec, names, digests = engine.spec, named_saes(engine.spec), engine.runtime.digests
    saes = [[layer, names[layer], digest] for layer, digest in digests.saes.items()]
    return Identity(
        prompts=_digest(work.inputs.to_json()),
        settings=work.settings.to_json(),
        judge=f"{work.judge.name} ({work.judge.revision})",
        model=f"{spec.name} {spec.revision or ''}".strip(),
        weights=digests.weights,
        saes=_digest(json_text(saes)),
        direction=engine.direction().key,
        thinking={None: "not possible", True: "on", False: "off"}[engine.runtime.template.thinking],
        number_format=engine.dtype,
        device=engine.device,
        versions=", ".join(f"{name} {version}" for name, version in versions().items()),
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
