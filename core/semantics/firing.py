"""How strongly every feature fires on each of many prompts, kept apart by place: instruction, template, anything else.

Knows: an engine's activity, the spans of a prompt. Does not know: categories, labels. “Else” is BOS, where most SAEs
are out of distribution and the same features fire on every prompt, and a system block, which is the same too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.sparse import csc_array

from core.edits.edits import Feature
from core.engine import Engine
from core.errors import InputError
from core.progress import NEVER, QUIET, Progress

#: Places of a token in a prompt, as numbers in a table of them.
ELSE, INSTRUCTION, TEMPLATE = range(3)
#: Prompts read together.
TOGETHER = 32


@dataclass(frozen=True, eq=False)
class Firing:
    """n prompts. widths: layer → features of its SAE; columns are all features, layer by layer.

    places: the strongest activation in each place, sparse float32 [prompts, columns], in the order of the constants.
    """

    prompts: int
    widths: Mapping[int, int]
    places: tuple[csc_array, csc_array, csc_array]

    @property
    def features(self) -> tuple[Feature, ...]:
        """Every feature that fires anywhere on any prompt."""
        counts = sum((np.diff(place.indptr) for place in self.places), np.zeros(sum(self.widths.values()), dtype=int))
        layers = np.repeat(list(self.widths), list(self.widths.values()))
        first = np.repeat(np.cumsum([0, *self.widths.values()])[:-1], list(self.widths.values()))
        found = np.flatnonzero(counts)
        return tuple(Feature(int(layers[i]), int(i - first[i])) for i in found)

    def columns(self, features: Sequence[Feature]) -> np.ndarray:
        """int64 [n]: the columns of these features. Raises InputError for one the model does not have."""
        first = dict(zip(self.widths, np.cumsum([0, *self.widths.values()]).tolist(), strict=False))
        for feature in features:
            if not 0 <= feature.index < self.widths.get(feature.layer, 0):
                raise InputError(f"There is no feature {feature} in the SAE layers that were read: {[*self.widths]}.")
        return np.array([first[feature.layer] + feature.index for feature in features], dtype=np.int64)

    def at(self, place: int, features: Sequence[Feature]) -> np.ndarray:
        """float32 [prompts, n]: the strongest activation in one place, 0 where it does not fire there."""
        return self.places[place][:, self.columns(features)].toarray()

    def own(self, features: Sequence[Feature]) -> np.ndarray:
        """float32 [prompts, n]: the strongest on the tokens that can tell prompts apart, instruction and template."""
        return np.maximum(self.at(INSTRUCTION, features), self.at(TEMPLATE, features))

    def anywhere(self, features: Sequence[Feature]) -> np.ndarray:
        """float32 [prompts, n]: the strongest at any token, BOS among them."""
        return np.maximum(self.own(features), self.at(ELSE, features))

    def rows(self, wanted: Sequence[int]) -> Firing:
        """The same of these prompts alone, in this order."""
        first, second, third = (place[np.asarray(wanted, dtype=np.int64)] for place in self.places)
        return Firing(len(wanted), self.widths, (csc_array(first), csc_array(second), csc_array(third)))


def read_firing(
    engine: Engine,
    texts: Sequence[str],
    layers: Collection[int] | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Firing | None:
    """Every feature of these layers (all with an SAE when None) on every text, unedited. None where it was cancelled.

    Raises InputError for a text the model cannot take, and for a model without SAEs.
    """
    widths = {n: width for n, width in engine.widths.items() if layers is None or n in layers}
    if not widths:
        raise InputError(f"“{engine.spec.name}” has no SAE in these layers, so there are no features to read.")
    first = dict(zip(widths, np.cumsum([0, *widths.values()]).tolist(), strict=False))
    parts = []
    for start in range(0, len(texts), TOGETHER):
        if cancelled():
            return None
        progress(f"Reading {len(texts):,} prompts", start / len(texts))
        chunk = list(texts[start : start + TOGETHER])
        frame = engine.activity(chunk, set(widths))
        width = max(map(len, prompts := [engine.prompt(text) for text in chunk]))
        place_of = np.full((len(chunk), width), ELSE)
        for number, prompt in enumerate(prompts):
            for place, name in ((INSTRUCTION, "instruction"), (TEMPLATE, "template")):
                place_of[number, slice(*prompt.spans[name])] = place
        found = pd.DataFrame(
            {
                "place": place_of[frame["prompt"], frame["position"]],
                "prompt": frame["prompt"] + start,
                "column": frame["layer"].map(first) + frame["index"],
                "activation": frame["activation"],
            }
        )
        parts.append(found.groupby(["place", "prompt", "column"], as_index=False)["activation"].max())
    whole, shape = pd.concat(parts), (len(texts), sum(widths.values()))
    ours = [whole[whole["place"] == place] for place in (ELSE, INSTRUCTION, TEMPLATE)]
    one, two, three = (
        csc_array((part["activation"].to_numpy(np.float32), (part["prompt"], part["column"])), shape=shape)
        for part in ours
    )
    return Firing(len(texts), widths, (one, two, three))
