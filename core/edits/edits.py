"""What can be done to the residual stream, as plain values.

Knows: how edits come together: order, sums, strengths, arrays for compiling. Does not know: models, tokens or tensors
on a device; layer and index limits are checked by the engine. A single edit is in `core.edits.items`, its letters are
in `core.edits.text`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.edits.direction import Direction
from core.edits.items import (
    POSITIONS,
    DirectionEdit,
    Feature,
    FeatureEdit,
    Sensor,
    check_direction,
    check_positions,
    checked_feature,
    checked_sensor,
    checked_strength,
    finite,
)
from core.edits.overridden import overridden
from core.edits.text import read_items, write_item
from core.errors import InputError

__all__ = ["POSITIONS", "DirectionEdit", "Edits", "Feature", "FeatureArrays", "FeatureEdit", "Sensor"]


class FeatureArrays(NamedTuple):
    """The feature edits of one `Edits` in order, as arrays of length n, for compiling a batch quickly.

    tier: 0 for a feature's items up to its first condition, and one more at each change of condition, so that within
    a tier a feature has one condition and a higher tier was written later. sensor: number in `Edits.sensors`, −1 for
    no condition.
    """

    layer: np.ndarray  # int64
    index: np.ndarray  # type: ignore[assignment]  # int64
    value: np.ndarray  # float32
    position_bit: np.ndarray  # int64
    strength: np.ndarray  # float32
    tier: np.ndarray  # int64
    sensor: np.ndarray  # int64


@dataclass(frozen=True)
class Edits:
    """A set of edits applied together. A value: hashable, comparable, added with `+`; `Edits()` is no edit.

    Where two items name the same feature at the same token, the one written last holds; of items with conditions, the
    one written last whose condition is met there. A later item replaces an earlier one outright when feature,
    positions and condition are the same, whatever their values and strengths. One that is overridden otherwise stays,
    without effect (`core.edits.overridden`).
    """

    items: tuple[FeatureEdit | DirectionEdit, ...] = field(default=())

    @classmethod
    def ablate(cls, features: Iterable[Feature], positions: str = "all", *, strength: float = 1.0) -> Edits:
        """Zero-ablate features, keeping the SAE's error (paper, “Sparse Autoencoders”): h̃ = h − s·Σ f_i(h)·d_i."""
        return cls.clamp(features, 0.0, positions, strength=strength)

    @classmethod
    def clamp(
        cls,
        features: Iterable[Feature],
        value: float,
        positions: str = "all",
        *,
        strength: float = 1.0,
        when: tuple[Feature, float] | None = None,
    ) -> Edits:
        """Hold features at `value`, in SAELens activation units; strength 0 is no edit, and 0.5 goes half the way.

        when: (sensor, threshold): act only at tokens where the sensor's activation, read before its layer's own edit,
        is above the threshold. Raises InputError for NaN, inf, a strength outside 0 to 10, a bad feature, or a sensor
        in a higher layer than a feature it is to switch.
        """
        number, power = finite(value, "clamp value"), checked_strength(strength)
        check_positions(positions)
        if not isinstance(features, Iterable):
            raise InputError(f"“{features!s:.60}” is not a list of features. Give a list such as [Feature(12, 40)].")
        sensor = None if when is None else checked_sensor(when)
        return cls(_last_wins(FeatureEdit(checked_feature(f), number, positions, power, sensor) for f in features))

    @classmethod
    def ablate_direction(cls, direction: Direction, positions: str = "all", *, strength: float = 1.0) -> Edits:
        """Project the direction out everywhere in the network (Arditi et al. 2024, section 2.4)."""
        check_positions(positions)
        check_direction(direction)
        return cls((DirectionEdit(direction, positions, strength=checked_strength(strength)),))

    @classmethod
    def add_direction(
        cls, direction: Direction, amount: float, positions: str = "all", *, strength: float = 1.0
    ) -> Edits:
        """Add `amount` × the unit direction at `resid_post` of its own layer (inducing refusal)."""
        number = finite(amount, "amount of the direction")
        check_positions(positions)
        check_direction(direction)
        return cls((DirectionEdit(direction, positions, number, checked_strength(strength)),))

    def at_strength(self, strength: float) -> Edits:
        """The same edits, each item's strength this many times its own. Raises InputError where that passes 10."""
        factor = checked_strength(strength)
        return Edits(tuple(replace(item, strength=checked_strength(factor * item.strength)) for item in self.items))

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
    def sensors(self) -> tuple[Sensor, ...]:
        """The conditions in use, each once, in order."""
        items = (item.when for item in self.items if isinstance(item, FeatureEdit))
        return tuple(dict.fromkeys(when for when in items if when is not None))

    @cached_property
    def arrays(self) -> FeatureArrays:
        edits = [item for item in self.items if isinstance(item, FeatureEdit)]
        numbers = {None: -1} | {sensor: number for number, sensor in enumerate(self.sensors)}
        latest: dict[Feature, tuple[Sensor | None, int]] = {}
        tiers = []
        for e in edits:
            condition, tier = latest.get(e.feature, (None, 0))
            latest[e.feature] = (e.when, tier + (e.when != condition))
            tiers.append(latest[e.feature][1])
        return FeatureArrays(
            np.array([e.feature.layer for e in edits], dtype=np.int64),
            np.array([e.feature.index for e in edits], dtype=np.int64),
            np.array([e.value for e in edits], dtype=np.float32),
            np.array([POSITIONS[e.positions] for e in edits], dtype=np.int64),
            np.array([e.strength for e in edits], dtype=np.float32),
            np.array(tiers, dtype=np.int64),
            np.array([numbers[e.when] for e in edits], dtype=np.int64),
        )

    def without(self, features: Iterable[Feature]) -> Edits:
        """The same edits less every item on `features`."""
        gone = set(features)
        return Edits(tuple(i for i in self.items if not (isinstance(i, FeatureEdit) and i.feature in gone)))

    def describe(self) -> str:
        """One short line for a person."""
        if not self:
            return "no edit"
        idle = {one.item for one in overridden(self.items)}
        acting = [i for i in self.items if isinstance(i, FeatureEdit) and i not in idle]
        ablated = [i for i in acting if i.value == 0]
        clamped = [i for i in acting if i.value != 0]
        removed = [d for d in self.directions if d.add is None]
        added = [d for d in self.directions if d.add is not None and d.add >= 0]
        subtracted = [d for d in self.directions if d.add is not None and d.add < 0]
        off, held = (len({item.feature for item in items}) for items in (ablated, clamped))
        parts: list[tuple[Sequence[FeatureEdit | DirectionEdit], str]] = [
            (ablated, f"{off} feature{'s' * (off != 1)} ablated"),
            (clamped, f"{held} clamped"),
            (removed, "refusal direction ablated"),
            (added, "refusal direction added"),
            (subtracted, "refusal direction subtracted"),
        ]
        said = [text + _how(items) for items, text in parts if items]
        return ", ".join([*said, f"{len(idle)} without effect"] if idle else said)

    def to_text(self) -> str:
        """A short line for links and the command line; `from_text` reads it back.

        `12-40` ablates, `12-40=6` clamps, `*0.5` goes half the way, `@bos` names positions, `?9-3>2.5` is a condition
        (`12-40=6*0.5@bos?9-3>2.5` has them all), and `direction` is the model's own direction.
        """
        return ",".join(write_item(item) for item in self.items)

    @classmethod
    def from_text(cls, text: str, direction: Direction | None = None) -> Edits:
        """Read what `to_text` wrote. Raises InputError on anything else, for two edits of which one would take the
        place of the other, or `direction` where none is given."""
        return cls(_each_once(read_items(text, direction)))


def _how(items: Sequence[FeatureEdit | DirectionEdit]) -> str:
    """What is to be said of places, strengths and conditions, for `describe`; empty when all act at every token, fully
    and always."""
    places = dict.fromkeys(item.positions for item in items)
    strengths = {item.strength for item in items}
    conditions = {item.when for item in items if isinstance(item, FeatureEdit)} - {None}
    phrase = "" if [*places] == ["all"] else f" at {' and '.join(map(_place, places))}"
    if strengths != {1.0}:
        phrase += f" at strength {strengths.pop():g}" if len(strengths) == 1 else " at several strengths"
    if conditions:
        always = any(isinstance(item, FeatureEdit) and item.when is None for item in items)
        phrase += f" only where {conditions.pop()}" if len(conditions) == 1 and not always else " partly on conditions"
    return phrase


def _place(positions: str) -> str:
    return {"all": "all tokens", "bos": "BOS", "last": "the last token"}.get(positions, f"{positions} tokens")


def _last_wins(items: Iterable[FeatureEdit | DirectionEdit]) -> tuple[FeatureEdit | DirectionEdit, ...]:
    """Drop an item when a later one says something about the same feature or direction at the same positions.

    Under another condition it says something else: both stay, and at each token the last that is met holds.
    """
    kept: dict[tuple, FeatureEdit | DirectionEdit] = {}
    for item in items:
        kept.pop(_about(item), None)
        kept[_about(item)] = item
    return tuple(kept.values())


def _each_once(items: Iterable[FeatureEdit | DirectionEdit]) -> tuple[FeatureEdit | DirectionEdit, ...]:
    """The same items, where none would drop another. What is written by hand twice is a slip: InputError."""
    kept: dict[tuple, FeatureEdit | DirectionEdit] = {}
    for item in items:
        if kept.setdefault(_about(item), item) != item:
            raise InputError(
                f"“{write_item(kept[_about(item)])}” and “{write_item(item)}” edit the same thing at the same places. "
                "Keep one of them."
            )
    return tuple(kept.values())


def _about(item: FeatureEdit | DirectionEdit) -> tuple:
    """What an item says something about: of two with the same, the later holds."""
    what = (item.feature, item.when) if isinstance(item, FeatureEdit) else (item.direction, item.add is None)
    return what, item.positions
