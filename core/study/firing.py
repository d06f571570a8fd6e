"""On which categories each feature fires, by the paper's definition: a non-zero activation on prompts of the category.

Knows: an engine's activations on labelled prompts. Does not know: pools or people.
Only the request's own tokens count, because the template's are the same in every prompt. The paper asks for one prompt;
`least` asks for a share of a category's prompts, since a feature that fires on one prompt in fifty says little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.engine import Engine
from core.errors import InputError
from core.progress import NEVER, QUIET, Progress
from core.prompts.shipped import ShippedPrompt
from core.study.taxonomy import FIVE, category_of

#: Prompts of each category, and the share of them a feature must fire on, unless others are asked for. With 0 one
#: prompt is enough, as in the paper.
PROMPTS_EACH, LEAST = 12, 0.0


class Firing(NamedTuple):
    """shares: feature → float64 [categories], the share of each category's prompts on which it fires; features that
    fire on none are left out. widths: layer → features of its SAE. prompts: how many of each category were read."""

    labels: tuple[str, ...]
    shares: Mapping[Feature, np.ndarray]
    widths: Mapping[int, int]
    prompts: int

    def categories(self, usable: Callable[[Feature], bool], least: float = LEAST) -> dict[Feature, frozenset[str]]:
        """Feature → the categories it fires on, on at least this share of their prompts; of every usable feature, also
        those that fire on none. A feature below that share everywhere, but not silent, is left out: it is neither.
        """
        found: dict[Feature, frozenset[str]] = {}
        for layer, width in self.widths.items():
            for index in range(width):
                feature = Feature(layer, index)
                share = self.shares.get(feature)
                names = frozenset[str]()
                if share is not None:
                    names = frozenset(n for n, s in zip(self.labels, share, strict=True) if s >= max(least, 1e-9))
                if (share is None or names) and usable(feature):
                    found[feature] = names
        return found


def bundled_prompts(shipped: Sequence[ShippedPrompt], each: int = PROMPTS_EACH) -> dict[str, list[str]]:
    """The five categories → as many held-out harmful prompts of each, at most `each`. Raises InputError.

    Every category has the same number, because more prompts are more occasions to fire.
    """
    held_out = [one for split in ("test", "val") for one in shipped if one.kind == "harmful" and one.split == split]
    found = {name: [one.text for one in held_out if category_of(one.category) == name] for name in FIVE}
    fewest = min(min(map(len, found.values())), each)
    if not fewest:
        empty = next(name for name, texts in found.items() if not texts)
        raise InputError(f"The shipped prompts have none in “{empty}”. Give a file with a category column.")
    return {name: texts[:fewest] for name, texts in found.items()}


def measure(
    engine: Engine,
    prompts: Mapping[str, Sequence[str]],
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Firing | None:
    """prompts: category → its prompts. None once cancelled. Raises InputError for a prompt that cannot be read."""
    shares: dict[Feature, np.ndarray] = {}
    for number, (name, texts) in enumerate(prompts.items()):
        progress(f"Reading the prompts of “{name}”", number / len(prompts))
        if cancelled():
            return None
        frame = engine.activity(texts)
        spans = [engine.prompt(text).spans["instruction"] for text in texts]
        first, last = (np.array(ends)[frame["prompt"].to_numpy()] for ends in zip(*spans, strict=True))
        inside = (frame["position"] >= first) & (frame["position"] < last)
        fired = frame[inside].drop_duplicates(["prompt", "layer", "index"]).groupby(["layer", "index"]).size()
        for (layer, index), count in fired.items():
            shares.setdefault(Feature(int(layer), int(index)), np.zeros(len(prompts)))[number] = count / len(texts)
    fewest = min(map(len, prompts.values()), default=0)
    return Firing(tuple(prompts), shares, engine.widths, fewest)
