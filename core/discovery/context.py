"""What every stage of a run has at hand: the engine, the prompts, the settings, and what was found before.

Knows: the engine's calls, items, the ledger. Does not know: stages, or where rows are kept. An item is one prompt
(`harmful/0007`) or a part of the run with a name of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property

import pandas as pd

from core.answers.answer import Answer
from core.answers.generate import answers_of
from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import Verdict
from core.discovery.ledger import Ledger, features
from core.discovery.settings import Settings
from core.discovery.stage0_screening import PromptKind
from core.edits.edits import Edits, Feature
from core.edits.feature_sets import top_per_layer
from core.engine import Engine
from core.errors import InputError
from core.prompts.checks import prompts_digest
from core.prompts.references import Reference
from core.text.json_text import json_text, json_value

#: Prompts that are answered together under several sets each, and under a set or two that they have in common.
GROUP, WIDE_GROUP = 8, 32


@dataclass(frozen=True)
class Inputs:
    """The prompts a run is over, plain texts for the cost of an edit, and reference answers (both may be empty).

    categories: of every harmful prompt, empty text where it has none; no entry at all where the list has none. They
    are no part of the digest: the same prompts are the same run, whatever they are called.
    """

    harmful: tuple[str, ...]
    benign: tuple[str, ...]
    plain: tuple[str, ...] = ()
    references: tuple[Reference, ...] = ()
    categories: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.categories and len(self.categories) != len(self.harmful):
            raise InputError(
                f"There are {len(self.categories):,} categories for {len(self.harmful):,} harmful prompts. Give one "
                "for each prompt, or none."
            )
        if not self.harmful:
            raise InputError("No harmful prompts were given. The search needs at least one that the model refuses.")

    @property
    def digest(self) -> str:
        """Which prompts these are: 16 hex digits of their sha256."""
        return prompts_digest(self.harmful, self.benign, self.plain)

    def text(self, item: str) -> str:
        """The prompt an item stands for."""
        kind, _, number = item.partition("/")
        return (self.harmful if kind == "harmful" else self.benign)[int(number)]

    def category(self, item: str) -> str:
        """The category of the prompt an item stands for; empty where it has none."""
        kind, _, number = item.partition("/")
        return self.categories[int(number)] if self.categories and kind == "harmful" else ""

    def to_json(self) -> str:
        """One line; `from_json` reads it back."""
        references = [astuple(one) for one in self.references]
        return json_text([self.harmful, self.benign, self.plain, references, self.categories])

    @classmethod
    def from_json(cls, text: str) -> Inputs:
        harmful, benign, plain, *rest = json_value(text)  # older runs have no reference answers, or no categories
        references = tuple(Reference(*one) for one in (rest[0] if rest else ()))
        return cls(tuple(harmful), tuple(benign), tuple(plain), references, tuple(rest[1] if len(rest) > 1 else ()))


@dataclass
class Work:
    """Handed to each stage. Nothing in it changes but the ledger, and that only grows. judge: of every answer; by
    default the engine's own rules."""

    engine: Engine
    inputs: Inputs
    settings: Settings
    ledger: Ledger
    judge: Judge = None  # type: ignore[assignment]  # filled in below, so that it is never None
    _pools: dict[int, list[Feature]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.judge = self.engine.judge if self.judge is None else self.judge

    def texts(self, kind: PromptKind) -> tuple[str, ...]:
        return self.inputs.harmful if kind == "harmful" else self.inputs.benign

    def items(self, kind: PromptKind) -> list[str]:
        """The item of every prompt of a kind, in order."""
        return [f"{kind}/{number:04d}" for number in range(len(self.texts(kind)))]

    def text(self, item: str) -> str:
        """The prompt an item stands for."""
        return self.inputs.text(item)

    @cached_property
    def references(self) -> dict[str, Reference]:
        """Prompt → its reference answer, where there is one."""
        return {one.prompt: one for one in self.inputs.references}

    def kept(self, kind: PromptKind) -> list[str]:
        """Items that Stage 0 kept, in order."""
        rows = self.ledger.read("screen")
        return [item for item in self.items(kind) if item in rows and rows[item].value.get("kept")]

    def judged(self, asked: Sequence[tuple[str, Sequence[Edits]]]) -> list[list[tuple[Verdict, str]]]:
        """Prompts, each under edit sets of its own: verdict and answer of each, all of them written together.

        A step of writing takes nearly as long for one answer as for dozens. Equal pairs are written and judged once.
        """
        distinct = list(dict.fromkeys((text, edits) for text, sets in asked for edits in sets))
        made = {text: self.engine.prompt(text) for text, _ in distinct}
        edits = [edits for _, edits in distinct]
        replies = answers_of(self.engine.runtime, [made[text] for text, _ in distinct], edits, self.settings.tokens)
        verdicts = verdicts_of(self.judge, [text for text, _ in distinct], replies)
        known = dict(zip(distinct, zip(verdicts, replies, strict=True), strict=True))
        return [[known[text, edits] for edits in sets] for text, sets in asked]

    def answers(self, texts: Sequence[str], sets: Sequence[Edits]) -> list[list[Answer]]:
        """Greedy answers [prompt][edit set], as long as this run judges them."""
        return self.engine.answers(texts, sets, self.settings.tokens)

    @cached_property
    def alignment(self) -> pd.DataFrame:
        """Every feature with its cosine to the refusal direction."""
        return self.engine.alignment()

    def searched(self, layers: pd.Series) -> pd.Series:
        """bool, one a row: whether a layer is part of the search."""
        return ~layers.isin(self.settings.excluded_layers)

    def pool(self, k: int) -> list[Feature]:
        """Stage 1's candidate set for K features a layer."""
        if k not in self._pools:
            kept = self.alignment[self.searched(self.alignment["layer"])]
            self._pools[k] = top_per_layer(kept, k, skip_layers=0)
        return self._pools[k]

    def minimal(self, item: str) -> list[Feature]:
        """The smallest verified set of Stage 2; empty where none flips the prompt."""
        row = self.ledger.read("pruning").get(item)
        if row is None or row.value.get("tau") is None:
            return []
        return features(row.value["minimal"][row.value["tau"]])

    def critical(self) -> list[str]:
        """Items with such a set, in order."""
        rows = self.ledger.read("pruning")
        return [i for i in self.items("harmful") if i in rows and rows[i].value.get("tau") is not None]

    def active(self, item: str) -> list[Feature]:
        """The features of the minimal set that fire on the prompt."""
        row = self.ledger.read("inert").get(item)
        return features(row.value.get("active", ())) if row else []


def chunks(items: Sequence[str], size: int) -> list[list[str]]:
    """Groups of `size` in order."""
    return [list(items[start : start + size]) for start in range(0, len(items), size)]
