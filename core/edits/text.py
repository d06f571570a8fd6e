"""How edits are written down: `layer-index[=value][*strength][@positions][?layer-index>threshold]`, joined by commas.

Knows: the letters, and single edits. Does not know: sets of edits or what an edit does. `direction` stands where a
feature's name would for the model's own refusal direction, and takes no condition.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from core.edits.direction import Direction
from core.edits.items import (
    DirectionEdit,
    Feature,
    FeatureEdit,
    Sensor,
    check_positions,
    checked_feature,
    checked_strength,
    finite,
)
from core.edits.typed import words
from core.errors import InputError

_WORD = re.compile(
    r"(?P<name>[^=*@?]*)(?:=(?P<value>[^*@?]*))?(?:\*(?P<strength>[^@?]*))?(?:@(?P<positions>[^?]*))?"
    r"(?:\?(?P<sensor>[^>]*)>(?P<threshold>.*))?"
)
_NUMBER = re.compile(r"[-+]?[0-9.]+(e[-+]?\d+)?", re.IGNORECASE)


class Word(NamedTuple):
    """One edit as written. value: None where none stands (a feature is ablated). sensor: None without a condition."""

    name: str
    value: float | None = None
    strength: float = 1.0
    positions: str = "all"
    sensor: str | None = None
    threshold: float = 0.0

    def __str__(self) -> str:
        return "".join(
            (
                self.name,
                "" if self.value is None else f"={self.value!r}",
                "" if self.strength == 1 else f"*{self.strength!r}",
                "" if self.positions == "all" else f"@{self.positions}",
                "" if self.sensor is None else f"?{self.sensor}>{self.threshold!r}",
            )
        )

    @classmethod
    def parse(cls, text: str) -> Word:
        """Read what `str` wrote. Raises InputError."""
        found = _WORD.fullmatch(text)
        if found is None:
            raise InputError(f"“{text[:40]}” is not an edit. Write a condition after ?, for example 12-40?9-3>2.5.")
        value, strength, threshold = (found[name] for name in ("value", "strength", "threshold"))
        return cls(
            found["name"],
            None if value is None else _number(value, text, "=", "12-40=6"),
            1.0 if strength is None else _number(strength, text, "*", "12-40*0.5"),
            found["positions"] or "all",
            found["sensor"],
            0.0 if threshold is None else _number(threshold, text, ">", "12-40?9-3>2.5"),
        )


def _number(text: str, word: str, after: str, example: str) -> float:
    try:
        if _NUMBER.fullmatch(text):
            return float(text) + 0.0  # −0 is 0, as in `finite`
    except ValueError:
        pass
    if "," in text:
        raise InputError(
            f"“{word[:40]}” is not an edit, because a comma separates edits. Write {text.replace(',', '.'):.40} for "
            f"{text:.40}."
        )
    raise InputError(f"“{word[:40]}” is not an edit. Write a number after {after}, for example {example}.")


def write_item(item: FeatureEdit | DirectionEdit) -> str:
    """One edit as a word; `read_items` reads it back."""
    if isinstance(item, DirectionEdit):
        return str(Word("direction", item.add, item.strength, item.positions))
    word = Word(str(item.feature), None if item.value == 0 else item.value, item.strength, item.positions)
    return str(word if item.when is None else word._replace(sensor=str(item.when[0]), threshold=item.when[1]))


def read_items(text: str, direction: Direction | None) -> Iterator[FeatureEdit | DirectionEdit]:
    """The edits of a text, in order. Raises InputError on anything else, or `direction` where none is given."""
    if not isinstance(text, str):
        raise InputError(f"Edits are read from text, such as 12-40,14-7, not {type(text).__name__}.")
    for written in words(text):
        word = Word.parse(written)
        check_positions(word.positions)
        value = None if word.value is None else finite(word.value, "value of an edit")
        strength = checked_strength(word.strength)
        if word.name != "direction":
            feature = checked_feature(Feature.parse(word.name))
            sensor = None
            if word.sensor is not None:
                sensor = Sensor(Feature.parse(word.sensor), finite(word.threshold, "threshold of the condition"))
            yield FeatureEdit(feature, value or 0.0, word.positions, strength, sensor)
        elif direction is None:
            raise InputError("The edit uses the refusal direction, but this model has none yet. Compute it first.")
        elif word.sensor is not None:
            raise InputError(
                f"“{written[:40]}” puts a condition on the refusal direction. Only features can have a condition."
            )
        else:
            yield DirectionEdit(direction, word.positions, value, strength)


def read_features(text: str) -> tuple[Feature, ...]:
    """The features of a text, each once, in order. Raises InputError on anything else, also on edits of features."""
    return tuple(dict.fromkeys(map(_only_feature, words(text))))


def _only_feature(written: str) -> Feature:
    word = Word.parse(written)
    feature = Feature.parse(word.name)
    if word != Word(word.name):
        raise InputError(
            f"“{written[:40]}” says how a feature is edited, and here features are only named. Write {feature}."
        )
    return feature
