"""What can be done to the residual stream, as plain values.

Knows: features, positions, ablations, clamps and direction edits, and how to write them down in a link.
Does not know: models, tokens or tensors on a device; layer and index limits are checked by the engine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.direction import Direction
from core.errors import InputError

#: The places in a sequence an edit can act at. Each token belongs to several; one bit each.
POSITIONS: dict[str, int] = {"all": 1, "bos": 2, "instruction": 4, "template": 8, "last": 16, "generated": 32}


class Feature(NamedTuple):
    """One SAE latent, at `resid_post` of decoder layer `layer`. Written `layer-index`."""

    layer: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which nobody needs here

    def __str__(self) -> str:
        return f"{self.layer}-{self.index}"

    @classmethod
    def parse(cls, text: str) -> Feature:
        """Read `layer-index`. Raises InputError."""
        match = re.fullmatch(r"\s*(\d{1,9})-(\d{1,9})\s*", text)
        if match is None:
            raise InputError(f"“{text[:40]}” is not a feature; write layer-index, for example 12-40.")
        return cls(int(match[1]), int(match[2]))


@dataclass(frozen=True)
class FeatureEdit:
    """Hold `feature` at `value` at `positions`: h̃ = h + (value − f(h))·d. A value of 0 ablates it."""

    feature: Feature
    value: float
    positions: str


@dataclass(frozen=True)
class DirectionEdit:
    """Project `direction` out of the residual stream (`add is None`), or add `add` times its unit vector.

    Ablation follows Arditi et al. 2024: at the first block's input, after every attention and MLP, and at every
    block's output. Addition acts at `resid_post` of the direction's own layer only.
    """

    direction: Direction
    positions: str
    add: float | None = None


class FeatureArrays(NamedTuple):
    """The feature edits of one `Edits` in order, as arrays of length n, for compiling a batch quickly."""

    layer: np.ndarray  # int64
    index: np.ndarray  # type: ignore[assignment]  # int64
    value: np.ndarray  # float32
    position_bit: np.ndarray  # int64


@dataclass(frozen=True)
class Edits:
    """A set of edits applied together. A value: hashable, comparable, added with `+`; `Edits()` is no edit.

    Where two items name the same feature at the same token, the one written last holds.
    """

    items: tuple[FeatureEdit | DirectionEdit, ...] = field(default=())

    @classmethod
    def ablate(cls, features: Iterable[Feature], positions: str = "all") -> Edits:
        """Zero-ablate features, keeping the SAE's error (paper, “Sparse Autoencoders”): h̃ = h − Σ f_i(h)·d_i."""
        return cls.clamp(features, 0.0, positions)

    @classmethod
    def clamp(cls, features: Iterable[Feature], value: float, positions: str = "all") -> Edits:
        """Hold features at `value`, in SAELens activation units. Raises InputError for NaN, inf or a bad feature."""
        number = _finite(value, "clamp value")
        _check_positions(positions)
        if not isinstance(features, Iterable):
            raise InputError(f"“{features!s:.60}” is not a list of features; give for example [Feature(12, 40)].")
        return cls(_last_wins(FeatureEdit(_checked(f), number, positions) for f in features))

    @classmethod
    def ablate_direction(cls, direction: Direction, positions: str = "all") -> Edits:
        """Project the direction out everywhere in the network (Arditi et al. 2024, section 2.4)."""
        _check_positions(positions)
        _check_direction(direction)
        return cls((DirectionEdit(direction, positions),))

    @classmethod
    def add_direction(cls, direction: Direction, amount: float, positions: str = "all") -> Edits:
        """Add `amount` × the unit direction at `resid_post` of its own layer (inducing refusal)."""
        number = _finite(amount, "amount of the direction")
        _check_positions(positions)
        _check_direction(direction)
        return cls((DirectionEdit(direction, positions, number),))

    def __add__(self, other: Edits) -> Edits:
        if not isinstance(other, Edits):
            return NotImplemented
        return Edits(_last_wins((*self.items, *other.items)))

    def __bool__(self) -> bool:
        return bool(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[FeatureEdit | DirectionEdit]:
        return iter(self.items)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:  # hashed often, and may hold hundreds of items
        return hash(self.items)

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The features named, each once, in order."""
        return tuple(dict.fromkeys(item.feature for item in self.items if isinstance(item, FeatureEdit)))

    @cached_property
    def directions(self) -> tuple[DirectionEdit, ...]:
        return tuple(item for item in self.items if isinstance(item, DirectionEdit))

    @cached_property
    def arrays(self) -> FeatureArrays:
        edits = [item for item in self.items if isinstance(item, FeatureEdit)]
        return FeatureArrays(
            np.array([e.feature.layer for e in edits], dtype=np.int64),
            np.array([e.feature.index for e in edits], dtype=np.int64),
            np.array([e.value for e in edits], dtype=np.float32),
            np.array([POSITIONS[e.positions] for e in edits], dtype=np.int64),
        )

    def without(self, features: Iterable[Feature]) -> Edits:
        """The same edits less every item on `features`."""
        gone = set(features)
        return Edits(tuple(i for i in self.items if not (isinstance(i, FeatureEdit) and i.feature in gone)))

    def describe(self) -> str:
        """One short line for a person."""
        if not self:
            return "no edit"
        parts = []
        ablated = [i for i in self.items if isinstance(i, FeatureEdit) and i.value == 0]
        clamped = [i for i in self.items if isinstance(i, FeatureEdit) and i.value != 0]
        if ablated:
            parts.append(f"{len(ablated)} feature{'s' * (len(ablated) != 1)} ablated")
        if clamped:
            parts.append(f"{len(clamped)} clamped")
        if any(d.add is None for d in self.directions):
            parts.append("refusal direction ablated")
        if any(d.add is not None for d in self.directions):
            parts.append("refusal direction added")
        return ", ".join(parts)

    def to_text(self) -> str:
        """A short line for links and the command line; `from_text` reads it back.

        `12-40` ablates, `12-40=6` clamps, `@bos` names positions, `direction` is the model's own direction.
        """
        words = []
        for item in self.items:
            at = "" if item.positions == "all" else f"@{item.positions}"
            if isinstance(item, FeatureEdit):
                words.append(f"{item.feature}" + (f"={item.value!r}" if item.value != 0 else "") + at)
            else:
                words.append("direction" + (f"={item.add!r}" if item.add is not None else "") + at)
        return ",".join(words)

    @classmethod
    def from_text(cls, text: str, direction: Direction | None = None) -> Edits:
        """Read what `to_text` wrote. Raises InputError on anything else, or `direction` where none is given."""
        items: list[FeatureEdit | DirectionEdit] = []  # joined once: hundreds of words are usual
        for word in filter(None, (w.strip() for w in text.split(","))):
            name, _, positions = word.partition("@")
            name, equals, value = name.partition("=")
            positions = positions or "all"
            if equals and not re.fullmatch(r"[-+]?[0-9.]+(e[-+]?\d+)?", value, re.IGNORECASE):
                raise InputError(f"“{word[:40]}” is not an edit: after = comes a number, for example 12-40=6.")
            try:
                number = float(value) if equals else 0.0
            except ValueError:
                raise InputError(
                    f"“{word[:40]}” is not an edit: after = comes a number, for example 12-40=6."
                ) from None
            if name == "direction":
                if direction is None:
                    raise InputError(
                        "The edit names the refusal direction, but this model has none yet; compute it first."
                    )
                items += (
                    cls.add_direction(direction, number, positions)
                    if equals
                    else cls.ablate_direction(direction, positions)
                )
            else:
                items += cls.clamp([Feature.parse(name)], number, positions)
        return cls(_last_wins(items))


def _finite(value: float, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"The {name} {value!r:.60} is not a number; give a finite number such as 6.0.") from None
    if not abs(number) < 3e38:  # what float32 holds; NaN compares false
        raise InputError(f"The {name} {number} is not finite; give a finite number such as 6.0.")
    return number


def _check_positions(positions: str) -> None:
    if not isinstance(positions, str) or positions not in POSITIONS:
        raise InputError(f"Positions “{positions!s:.40}” are unknown; choose one of {', '.join(POSITIONS)}.")


def _check_direction(direction: Direction) -> None:
    if not isinstance(direction, Direction):
        raise InputError(f"A direction edit needs a Direction, not {type(direction).__name__}; use engine.direction().")


def _checked(feature: Feature) -> Feature:
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
        raise InputError(f"Feature {f'{layer}-{index}':.40} does not exist: no SAE is that wide.")
    return Feature(layer, index)


def _last_wins(items: Iterable[FeatureEdit | DirectionEdit]) -> tuple[FeatureEdit | DirectionEdit, ...]:
    """Drop an item when a later one says something about the same feature or direction at the same positions."""
    kept: dict[tuple, FeatureEdit | DirectionEdit] = {}
    for item in items:
        what = item.feature if isinstance(item, FeatureEdit) else (item.direction, item.add is None)
        kept.pop((what, item.positions), None)
        kept[(what, item.positions)] = item
    return tuple(kept.values())
