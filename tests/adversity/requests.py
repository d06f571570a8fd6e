"""Requests as visitors make them, drawn by a seed, and what each gives as values that can be compared to the last bit.

Knows: the engine's calls. Does not know: threads, pages.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from core import Edits, Engine, Feature
from core.hydra import refresh
from tests.oracles import PROMPTS, random_edits

Request = Callable[[Engine], list[Any]]


def drawn(seed: int) -> Request:
    """One request: its kind, prompt and edits follow from the seed."""
    chance = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    prompt = chance.choice(PROMPTS)
    return lambda engine: kind(engine, prompt, chance_of(seed))


def chance_of(seed: int) -> random.Random:
    """A generator for one carrying out of a request: the same numbers every time."""
    return random.Random(seed)


def same(one: list[Any], other: list[Any]) -> bool:
    """Whether two results are the same to the last bit; NaN is NaN."""
    return len(one) == len(other) and all(
        np.array_equal(a, b, equal_nan=a.dtype.kind == "f") if isinstance(a, np.ndarray) else a == b
        for a, b in zip(one, other, strict=True)
    )


def _edits(engine: Engine, chance: random.Random) -> Edits:
    return random_edits(chance.randrange(10_000), engine.direction())


def _score(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    found = engine.measure(prompt)
    return [found.p_refusal, found.refusal_score, found.cosine]


def _edited(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    sets = [Edits(), _edits(engine, chance), Edits.ablate_direction(engine.direction())]
    watch = [Feature(chance.choice((1, 2, 3)), chance.randrange(48))]
    found = engine.measure(prompt, sets, watch, every_token=True)
    return [found.refusal_score, found.cosine, found.activations]


def _several(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    found = engine.measure(list(PROMPTS[:3]), _edits(engine, chance), kl=True)
    return [found.refusal_score, found.kl]


def _clamp(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    features = [Feature(chance.choice((1, 2, 3)), chance.randrange(48)) for _ in range(2)]
    found = engine.measure(prompt, Edits.clamp(features, chance.uniform(1, 9), "bos"))
    return [found.refusal_score, found.cosine]


def _hydra(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    features = [Feature(1, chance.randrange(48)) for _ in range(4)]
    found = refresh(engine, prompt, Edits.ablate(features))
    return [*found.score, *(found.woken[name].to_numpy() for name in ("layer", "index", "activation"))]


def _written(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    return ["".join(engine.generate(prompt, _edits(engine, chance), max_new_tokens=6))]


def _answers(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    found = engine.answers(PROMPTS[:2], [Edits(), _edits(engine, chance)], 4)
    return [[str(answer) for answer in row] for row in found]


def _features(engine: Engine, prompt: str, chance: random.Random) -> list[Any]:
    found = engine.features(prompt, _edits(engine, chance))
    return [found[name].to_numpy() for name in ("layer", "index", "position", "activation", "cosine")]


KINDS = (_score, _edited, _several, _clamp, _hydra, _written, _answers, _features)
