"""One evaluation of a clamp as a defence: what was asked, as a value, and the cells of it that are still to do.

Knows: features, values, an attack, prompts, and `grid`. Does not know: where evaluations and cells are kept.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import astuple, dataclass, replace
from functools import cached_property
from typing import Any

from core.answers.judge import Judge
from core.defence.attacks import ATTACKS, Attack, wrap
from core.defence.grid import Cell, Group, grid
from core.edits.edits import Edits, Feature
from core.edits.items import Sensor
from core.engine import Engine
from core.errors import InputError
from core.prompts.conversation import PromptLike
from core.prompts.references import Reference
from core.text.json_text import json_text, json_value


@dataclass(frozen=True)
class Evaluation:
    """attack: its name for people. base: the attack's edits as text (`Edits.to_text`), empty where it is in the
    wording. wrapping: name of one of `ATTACKS`, or empty. values: what the features are held at, None for no clamp.
    when: a condition on the clamp, or None. harmful, benign, look_alikes: requests as they are, unwrapped. references:
    answers to some of them, for the recovery; an attack by wording has none.
    """

    attack: str
    features: tuple[Feature, ...]
    values: tuple[float | None, ...]
    harmful: tuple[str, ...] = ()
    benign: tuple[str, ...] = ()
    look_alikes: tuple[str, ...] = ()
    base: str = ""
    wrapping: str = ""
    positions: str = "bos"
    when: Sensor | None = None
    tokens: int = 24
    references: tuple[Reference, ...] = ()

    def clamp(self, value: float | None) -> Edits:
        """The defence at one value. Raises InputError."""
        return Edits() if value is None else Edits.clamp(self.features, value, self.positions, when=self.when)

    @cached_property
    def prompts(self) -> dict[Group, tuple[PromptLike, ...]]:
        """What each group is asked, harmful requests inside the attack; no group without prompts."""
        attacked: tuple[PromptLike, ...] = self.harmful
        if self.wrapping:
            attack = named_attack(self.wrapping)
            attacked = tuple(wrap(attack, text) for text in self.harmful)
        every: dict[Group, tuple[PromptLike, ...]] = {
            "attacked": attacked,
            "benign": self.benign,
            "look-alikes": self.look_alikes,
        }
        return {group: texts for group, texts in every.items() if texts}

    @property
    def places(self) -> list[tuple[int, Group]]:
        """Every cell there is to be, in order: (number of the value, group)."""
        return [(number, group) for number in range(len(self.values)) for group in self.prompts]

    def cells(
        self, engine: Engine, done: Collection[tuple[int, Group]] = (), judge: Judge | None = None
    ) -> Iterator[Cell]:
        """The cells that are not done yet, as they are done. Raises InputError before the first of a value."""
        used = engine.judge if judge is None else judge
        base = Edits.from_text(self.base, engine.direction() if engine.has_direction else None)
        for number, value in enumerate(self.values):
            left = {group: texts for group, texts in self.prompts.items() if (number, group) not in done}
            if not left:
                continue
            asked = (left.get("attacked", ()), left.get("benign", ()), left.get("look-alikes", ()))
            cells = grid(engine, *asked, base, [self.clamp(value)], self.tokens, used, references=self.references)
            for cell in cells:
                yield replace(cell, clamp=number)

    def to_json(self) -> str:
        """One line; `from_json` reads it back."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self.__dataclass_fields__}
        found["features"] = [str(feature) for feature in self.features]
        found["when"] = None if self.when is None else [str(self.when.feature), self.when.threshold]
        found["references"] = [astuple(one) for one in self.references]
        return json_text(found, ascii_only=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Evaluation:
        """The other way round."""
        read: dict[str, Any] = json_value(text)
        found: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in read.items()}
        found["features"] = tuple(map(Feature.parse, found["features"]))
        found["references"] = tuple(Reference(*one) for one in found.get("references", ()))  # none in older ones
        if found["when"] is not None:
            found["when"] = Sensor(Feature.parse(found["when"][0]), found["when"][1])
        return cls(**found)


def named_attack(name: str) -> Attack:
    """One of `ATTACKS`. Raises InputError."""
    for attack in ATTACKS:
        if attack.name == name:
            return attack
    raise InputError(f"There is no attack “{name:.40}”. Choose one of {', '.join(a.name for a in ATTACKS)}.")
