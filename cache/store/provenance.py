"""Where a stored number comes from: the model, its SAEs and the machine, read off an engine in one place.

Knows: what must be the same before stored work goes on. Does not know: tables. Runs and defences share it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import PurePath
from typing import Literal, Protocol, get_args

from core import Engine, InputError
from core.models.digest import Digests
from core.models.trained import sae_names
from core.versions import versions

Fact = Literal["model", "revision", "dtype", "device", "direction", "saes", "versions"]
FACTS: tuple[Fact, ...] = get_args(Fact)
#: How each fact is called where two of them differ.
_TITLES: dict[Fact, str] = {
    "model": "model",
    "revision": "revision",
    "dtype": "number format",
    "device": "device",
    "direction": "refusal direction",
    "saes": "set of SAEs",
    "versions": "set of versions",
}
#: Stands among the versions where the model was let think before it answered.
THINKING = "thinking on"


class OfFiles(Protocol):
    """What is stored with digests of the files it is of; both empty in rows from before they were kept."""

    @property
    def weights(self) -> str: ...

    @property
    def sae_digests(self) -> str: ...


@dataclass(frozen=True)
class Provenance:
    """What a number depends on besides prompts and settings.

    direction: digest of the refusal direction, empty without one. saes: layer:name of each SAE, comma-separated; a
    published SAE's name is release/sae_id. versions: of this program, of Python and of the packages that compute. Rows
    from before versions were kept have none, and name a published SAE by the last part of its sae_id only. weights and
    sae_digests: what the files held, as `core.models.digest` has it; both empty in rows from before they were kept.
    """

    model: str
    revision: str
    dtype: str
    device: str
    direction: str
    saes: str
    versions: str
    weights: str
    sae_digests: str

    @property
    def source(self) -> Provenance:
        """These facts alone, of what has others too."""
        return Provenance(*(getattr(self, field.name) for field in fields(Provenance)))

    @property
    def computed_on(self) -> tuple[str, str]:
        """Number format and kind of device."""
        return self.dtype, self.device


def provenance(engine: Engine) -> Provenance:
    """What a number computed by this engine, here and now, depends on."""
    spec, digests = engine.spec, engine.runtime.digests
    return Provenance(
        model=spec.name,
        revision=spec.revision or "",
        dtype=engine.dtype,
        device=engine.device,
        direction=engine.direction().key if engine.has_direction else "",
        saes=sae_names(spec),
        versions=_versions() + f", {THINKING}" * bool(engine.runtime.template.thinking),
        weights=digests.weights,
        sae_digests=digests.sae_text,
    )


def _versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in versions().items())


def check_same(what: str, stored: Provenance, engine: Engine, facts: Sequence[Fact]) -> None:
    """Raises InputError unless `engine` agrees with what is stored, in these facts, and has the same weights and SAEs,
    as far as digests of them were kept. what: opens the sentence."""
    now = provenance(engine)
    if (THINKING in stored.versions) != (THINKING in now.versions):
        before = "on" if THINKING in stored.versions else "off"
        raise InputError(
            f"{what} was started with thinking {before}, so it cannot continue. Set thinking {before} again."
        )
    if (stored.model, stored.revision, stored.saes) == (now.model, now.revision, now.saes):
        check_files(what, stored, now.model, engine.runtime.digests)  # a computed direction is of its weights
    for fact in facts:
        before, today = getattr(stored, fact), getattr(now, fact)
        same = before == today
        if not stored.versions:  # of an earlier version, which named SAEs otherwise
            same = fact == "versions" or (_short(before) == _short(today) if fact == "saes" else same)
        if not same:
            raise InputError(
                f"{what} was started with another {_TITLES[fact]} ({before or 'none'}, now {today or 'none'}), so "
                "it cannot continue. Start a new one."
            )


def check_computed_on(what: str, stored: Provenance, number_format: str, device: str) -> None:
    """Raises InputError where rows would be computed in another number format, or on another kind of device, than
    those that are stored: in one table nobody could tell them apart. what: opens the sentence."""
    before, today = (f"{one} on {place}" for one, place in ((stored.dtype, stored.device), (number_format, device)))
    if before != today:
        raise InputError(
            f"{what} was computed in {before}, and here it would go on in {today}, so it cannot continue. Set "
            f"HYDRASCOPE_DTYPE={stored.dtype} and HYDRASCOPE_DEVICE={stored.device}, or start a new one."
        )


def other_versions(what: str, stored: Provenance) -> str:
    """A sentence to show where a run goes on with other versions than it was begun with; else empty."""
    before = dict(one.rpartition(" ")[::2] for one in stored.versions.split(", ") if one)
    changed = [(name, before[name], now) for name, now in versions().items() if before.get(name, now) != now]
    if not changed:
        return ""
    was, now = (", ".join(f"{one[0]} {one[place]}" for one in changed) for place in (1, 2))
    return (
        f"{what} was begun with {was}; here it is {now}. What is computed from now on is of these versions, and the "
        "tables name both."
    )


def check_files(what: str, stored: Provenance, model: str, digests: Digests) -> None:
    """Raises InputError where the files of the model or of its SAEs are others than those of what is stored. Names stay
    the same when files are replaced."""
    if changed := changed_files(stored, digests):
        raise InputError(
            f"{what} was begun with other {changed} than “{model}” has now: the files were replaced. Put the earlier "
            "files back, or start a new one."
        )


def changed_files(stored: OfFiles, digests: Digests, layers: Collection[int] | None = None) -> str:
    """“model files”, “SAEs (layers 2, 5)”: what is other than it was, as far as it was kept. layers: those whose SAEs
    count; None for all."""
    before = dict(one.split(":") for one in stored.sae_digests.split(",") if one)
    counted = {layer: digest for layer, digest in digests.saes.items() if layers is None or layer in layers}
    other = [layer for layer, digest in counted.items() if before.get(str(layer), digest) != digest]
    parts = ["model files"] if stored.weights not in ("", digests.weights) else []
    parts += [f"SAEs ({'layer' if len(other) == 1 else 'layers'} {', '.join(map(str, other))})"] if other else []
    return " and other ".join(parts)


def unchecked(what: str, stored: Provenance) -> str:
    """A sentence to show where nothing says whether weights and SAEs are still the same; else empty."""
    if stored.weights:
        return ""
    return (
        f"{what} is from a version that kept no digests of weights and SAEs, so whether they are still the same could "
        "not be checked."
    )


def _short(saes: str) -> str:
    """SAE names as older rows have them: the last part of each."""
    parts = (one.partition(":") for one in saes.split(","))
    return ",".join(f"{layer}:{PurePath(name).name}" for layer, _, name in parts)
