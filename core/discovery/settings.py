"""What a run of the search is asked to do: every number of the paper's method, each with its default.

Knows: names, defaults and limits. Does not know: models or prompts. A run's settings are stored with it, so that a
resumed run goes on with its own and two runs can be told apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

from core.discovery.stage2_pruning import BLOCK_SIZE, READINGS, SEEDS, THRESHOLDS, Interpretation
from core.edits.feature_sets import SKIPPED_LAYERS
from core.errors import InputError
from core.text.json_text import json_text, json_value

#: Settings that choose between readings of the paper, and the readings there are; Algorithm 1's are in `READINGS`.
CHOICES: dict[str, tuple[object, ...]] = {
    "layers_counted_from": (1, 0),
    "step_two": ("alone", "left out"),
    "scaling": ("training", "none", "all"),
    "nearness": ("highest", "mean"),
}
_AT_LEAST_ONE = (
    "tokens",
    "block_size",
    "last_tokens",
    "embedding_size",
    "machine_seeds",
    "epochs",
    "tokens_per_forward",
)
_AT_LEAST_ZERO = (
    "length_prompts",
    "skip_layers",
    "control_draws",
    "machine_first_layer",
    "patience",
    "cost_sets",
    "cost_texts",
    "public_texts",
    "seed",
)


@dataclass(frozen=True)
class Settings:
    """Raises InputError, in one sentence, for a value that makes no sense.

    stages: which of the paper's stages to run; the analyses that need a stage run with it. tokens: longest answer
    judged. lengths, length_prompts: the lengths at which the answers to the first so many prompts are judged, to see
    how long is long enough. k_steps: Stage 1's K per layer. k_beside: K whose sets are analysed beside those of the
    first step, without being part of the search. skip_layers: how many of the first layers are left out, counted from
    layers_counted_from: from 1, blocks 0 and 1 are “layers 1 and 2”; from 0, blocks 1 and 2 are, and block 0 stays.
    block_size, thresholds, seeds, reading: Stage 2 (`core.discovery.stage2_pruning`). main_threshold: the τ that is
    fixed beforehand, one of `thresholds`; 0 is the lowest. step_two: which prompts the analysis of redundant features
    keeps. control_draws: matched random sets a prompt; 0 makes none. unaligned_cosine: features below it, either way,
    are not aligned. last_tokens: positions the factorization machine sees, the largest activation of them counts;
    machine_first_layer: the lowest block it sees. scaling: what its columns are divided by. embedding_sizes: machines
    fitted; embedding_size: the one that ranks. nearness: to which Stage 2 feature a new one is near. machine_seeds:
    fits of each, numbered from `seed`. epochs, learning_rate: their training, which ends early after `patience` epochs
    without a lower validation loss; 0 never. interaction_steps: Stage 3's K, in all. probe_steps: the linear probe's K.
    least_tokens: features active on at least so many tokens (O'Brien et al.). cost_sets: per-prompt sets whose
    cross-entropy is measured, at most; cost_texts: of the run's own and bundled texts, of each kind; public_texts: of
    Alpaca and of the Pile each, fetched from the hub, 0 for none. tokens_per_forward: memory against speed.
    keep_answers: store generated text too. seed: everything random but Stage 2's seeds.

    What each reading of the paper means is in `core.discovery.readings`.
    """

    stages: tuple[int, ...] = (1, 2, 3)
    tokens: int = 24
    lengths: tuple[int, ...] = (24, 64, 128)
    length_prompts: int = 20
    k_steps: tuple[int, ...] = tuple(range(10, 201, 10))
    k_beside: tuple[int, ...] = (3, 5)
    skip_layers: int = SKIPPED_LAYERS
    layers_counted_from: int = 1
    block_size: int = BLOCK_SIZE
    thresholds: tuple[float, ...] = THRESHOLDS
    seeds: tuple[int, ...] = SEEDS
    reading: Interpretation = "shrinking"
    main_threshold: float = 0.0
    step_two: str = "alone"
    control_draws: int = 5
    unaligned_cosine: float = 0.1
    last_tokens: int = 4
    machine_first_layer: int = 2
    scaling: str = "training"
    embedding_sizes: tuple[int, ...] = (5, 20, 50)
    embedding_size: int = 20
    nearness: str = "highest"
    machine_seeds: int = 5
    epochs: int = 20
    patience: int = 5
    learning_rate: float = 1e-3
    interaction_steps: tuple[int, ...] = tuple(range(100, 2001, 100))
    probe_steps: tuple[int, ...] = (100, 500, 1000, 2000)
    least_tokens: tuple[int, ...] = (1, 2, 3, 4, 6, 8, 12)
    cost_sets: int = 20
    cost_texts: int = 40
    public_texts: int = 100
    tokens_per_forward: int = 1024
    keep_answers: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name in (
            "lengths",
            "k_steps",
            "interaction_steps",
            "probe_steps",
            "least_tokens",
            "thresholds",
            "embedding_sizes",
        ):
            _rising(name, getattr(self, name))
        if self.k_beside:
            _rising("k_beside", self.k_beside)
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise InputError(f"The setting “{name}” is {getattr(self, name)}; give a whole number of at least 1.")
        for name in _AT_LEAST_ZERO:
            if getattr(self, name) < 0:
                raise InputError(f"The setting “{name}” is {getattr(self, name)}; give a whole number of at least 0.")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                known = " or ".join(map(str, choices))
                raise InputError(f"The setting “{name}” cannot be {getattr(self, name)!r:.40}; choose {known}.")
        if self.main_threshold and self.main_threshold not in self.thresholds:
            raise InputError("“main_threshold” must be one of “thresholds”, or 0 for the lowest. Correct the settings.")
        if not 0 < self.unaligned_cosine <= 1:
            raise InputError("The setting “unaligned_cosine” is a cosine above 0 and at most 1, such as 0.1.")
        if not self.stages or tuple(self.stages) != tuple(range(1, max(self.stages) + 1)) or max(self.stages) > 3:
            raise InputError("Each stage builds on the one before. Choose 1, or 1,2, or 1,2,3.")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0 or max(self.seeds) >= 2**31:
            raise InputError(
                "Stage 2 needs at least one seed, from 0 to 2,147,483,647 and without repeats. Correct “seeds”."
            )
        if self.reading not in READINGS:
            raise InputError(f"“{self.reading}” is not a reading of Algorithm 1; choose {' or '.join(READINGS)}.")
        if not 0 < self.learning_rate < 1:
            raise InputError(
                f"The learning rate is {self.learning_rate}; give a number between 0 and 1, such as 0.001."
            )
        if self.embedding_size not in self.embedding_sizes:
            raise InputError(
                "The embedding size for the ranking must be one of the fitted sizes. Correct “embedding_sizes”."
            )

    @property
    def excluded_layers(self) -> range:
        """The blocks left out, numbered from 0 as everywhere here."""
        first = 1 - self.layers_counted_from
        return range(first, first + self.skip_layers)

    @property
    def tau(self) -> float:
        """The threshold that is fixed beforehand."""
        return self.main_threshold or self.thresholds[0]

    def to_json(self) -> str:
        """One line; `from_json` reads it back."""
        return json_text(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Settings:
        """Raises InputError for anything that is not settings."""
        try:
            values = json_value(text)
        except ValueError as error:
            raise InputError("The settings are not valid JSON. Copy the settings from a run's report.") from error
        return cls.from_values(values)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Settings:
        """From names and plain values, the rest by default. Raises InputError for an unknown name or a wrong kind."""
        known = {f.name: f for f in fields(cls)}
        if not isinstance(values, Mapping) or set(values) - set(known):
            wrong = ", ".join(sorted(set(values) - set(known))) if isinstance(values, Mapping) else "not a set of names"
            raise InputError(f"Unknown settings ({wrong}). Known settings: {', '.join(known)}.")
        made: dict[str, Any] = {}
        for name, value in values.items():
            default = known[name].default
            try:
                made[name] = _like(default, value)
            except (TypeError, ValueError, OverflowError) as error:
                raise InputError(
                    f"The setting “{name}” cannot be {value!r:.40}; the default is {default!r}."
                ) from error
        return cls(**made)


def _like(default: Any, value: Any) -> Any:
    """`value` with the kind of `default`. Raises TypeError or ValueError."""
    if isinstance(default, tuple):
        if isinstance(value, str):
            raise TypeError
        return tuple(_like(default[0], v) for v in value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise TypeError
        return value
    if isinstance(default, str):
        return str(value)
    if isinstance(value, bool):
        raise TypeError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    if isinstance(default, int):
        if number != int(number):
            raise ValueError
        return int(number)
    return number


def _rising(name: str, values: tuple[float, ...]) -> None:
    if not values or not values[0] > 0 or not all(a < b for a, b in pairwise(values)) or values[-1] == float("inf"):
        raise InputError(f"The setting “{name}” needs increasing numbers above 0.")
