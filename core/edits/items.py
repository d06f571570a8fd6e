"""The single things an edit set is made of, as plain values, and what is wrong with those that cannot be.

Knows: features, places in a sequence, strengths, conditions. Does not know: sets of edits, models or tensors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

from core.edits.direction import Direction
from core.edits.typed import tidy
from core.errors import InputError

#: The places in a sequence an edit can act at. Each token belongs to several; one bit each.
POSITIONS: dict[str, int] = {"all": 1, "bos": 2, "instruction": 4, "template": 8, "last": 16, "generated": 32}

#: Strengths beyond this would only be slips of the pen: at 2 an ablated feature already stands with its sign turned.
STRONGEST = 10.0

_FEATURE = re.compile(r"\s*(\d{1,9})-(\d{1,9})\s*")


class Feature(NamedTuple):
    """One SAE latent, at `resid_post` of decoder layer `layer`. Written `layer-index`."""

    layer: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here

    def __str__(self) -> str:
        return f"{self.layer}-{self.index}"

    @classmethod
    def parse(cls, text: str) -> Feature:
        """Read `layer-index`, or what people write for it (`core.edits.typed`). Raises InputError."""
        if not isinstance(text, str):
            raise InputError(f"A feature is read from text, such as 12-40, not {type(text).__name__}.")
        match = _FEATURE.fullmatch(text) or _FEATURE.fullmatch(tidy(text))
        if match is None:
            raise InputError(f"“{text[:40]}” is not a feature; write layer-index, for example 12-40.")
        return cls(int(match[1]), int(match[2]))


class Sensor(NamedTuple):
    """A condition on a token: `feature` fires there above `threshold`, read before that layer's own edit."""

    feature: Feature
    threshold: float

    def __str__(self) -> str:
        return f"{self.feature} > {self.threshold:g}"


@dataclass(frozen=True)
class FeatureEdit:
    """Move `feature` towards `value` at `positions`: h̃ = h + strength·(value − f(h))·d. Value 0, strength 1 ablates it.

    when: the edit acts only at tokens where this sensor fires; always when None. A sensor above the feature's layer
    would have to know the future: InputError.
    """

    feature: Feature
    value: float
    positions: str
    strength: float = 1.0
    when: Sensor | None = None

    def __post_init__(self) -> None:
        if self.when is not None and self.when.feature.layer > self.feature.layer:
            raise InputError(
                f"The sensor {self.when.feature} is in a higher layer than {self.feature}, the feature that it "
                f"switches. Choose a sensor in layer {self.feature.layer} or below."
            )


@dataclass(frozen=True)
class DirectionEdit:
    """Project `direction` out of the residual stream (`add is None`), or add `add` times its unit vector.

    Ablation follows Arditi et al. 2024: at the first block's input, after every attention and MLP, and at every
    block's output: h − strength·(h·r̂)r̂. Addition, of strength·add·r̂, acts at `resid_post` of the direction's own layer
    only.
    """

    direction: Direction
    positions: str
    add: float | None = None
    strength: float = 1.0


def finite(value: float, name: str) -> float:
    """A number that float32 holds. Raises InputError, naming it `name`."""
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"The {name} {value!r:.60} is not a number; give a finite number such as 6.0.") from None
    if not abs(number) < 3e38:  # what float32 holds; NaN compares false
        raise InputError(f"The {name} {number} is not finite; give a finite number such as 6.0.")
    return number + 0.0  # −0 is 0, also as written


def checked_strength(value: float) -> float:
    """A strength from 0 to `STRONGEST`. Raises InputError."""
    number = finite(value, "strength")
    if not 0 <= number <= STRONGEST:
        raise InputError(
            f"The strength {number:g} is out of range. Give a number from 0 (no edit) to {STRONGEST:g}. 1 is the "
            "full edit."
        )
    return number


def checked_sensor(when: tuple[Feature, float]) -> Sensor:
    """A condition from a feature and a threshold. Raises InputError."""
    try:
        feature, threshold = when
    except (TypeError, ValueError):
        raise InputError(
            f"“{when!s:.60}” is not a condition; give a feature and a threshold, for example (Feature(9, 3), 2.5)."
        ) from None
    return Sensor(checked_feature(feature), finite(threshold, "threshold of the condition"))


def check_positions(positions: str) -> None:
    """Raises InputError for anything but a key of `POSITIONS`."""
    if not isinstance(positions, str) or positions not in POSITIONS:
        raise InputError(f"Positions “{positions!s:.40}” are unknown. Choose one of {', '.join(POSITIONS)}.")


def check_direction(direction: Direction) -> None:
    """Raises InputError for anything but a Direction."""
    if not isinstance(direction, Direction):
        raise InputError(f"A direction edit needs a Direction, not {type(direction).__name__}; use engine.direction().")


def checked_feature(feature: Feature) -> Feature:
    """A feature of two plain whole numbers from any pair of whole numbers. Raises InputError."""
    try:
        layer, index = feature
        if isinstance(layer, bool) or isinstance(index, bool) or layer != int(layer) or index != int(index):
            raise ValueError
        layer, index = int(layer), int(index)
    except (TypeError, ValueError, OverflowError):
        raise InputError(
            f"“{feature!s:.60}” is not a feature; give Feature(layer, index) with whole numbers."
        ) from None
    if layer < 0 or index < 0:
        raise InputError(f"Feature {layer}-{index} has a negative number; layers and indices count from 0.")
    if max(layer, index) >= 10**9:  # as in `Feature.parse`; far over any SAE's width, and it fits an int64
        raise InputError(f"Feature {f'{layer}-{index}':.40} does not exist. No SAE has that many features.")
    return Feature(layer, index)
