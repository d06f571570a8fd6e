"""Control sets for one prompt: active features that remove as much of the residual stream as the set they stand beside.

Knows: activations and decoder rows of one prompt's active features. Does not know: verdicts, tables.

What a set S of one layer removes from the residual stream at a position is Σ_{i∈S} f_i·d_i. Its norm here is the root
of the sum of squares over the prompt's positions behind BOS, on the unedited prompt. With G = (A Aᵀ)∘(D Dᵀ), A the
activations [features, positions] and D the decoder rows, that is the root of the sum of G over S × S. Controls are
matched *layer by layer*, so the sum over layers is matched too. Under the whole edit, what later layers remove depends
on what earlier ones removed; that is not matched, as it is part of the effect.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from core.edits.edits import Feature
from core.engine import Engine
from core.prompts.conversation import PromptLike

#: A layer is matched where the control removes this share more or less than the set, at most.
TOLERANCE = 0.05
#: Active features of a layer that a control is drawn from, at most: their table of products is held.
MOST_CANDIDATES = 1024


@dataclass(frozen=True)
class ActiveLayer:
    """The features of one layer that fire on one prompt, behind BOS or where they were asked for.

    index: int64 [features], sorted; activation: float32 [features, positions]; decoder: float32 [features, d_model];
    cosine: float32 [features], of the decoder row with the refusal direction; width: features of the whole dictionary.
    """

    layer: int
    index: np.ndarray
    activation: np.ndarray
    decoder: np.ndarray
    cosine: np.ndarray
    width: int

    @cached_property
    def candidates(self) -> np.ndarray:
        """int64, sorted: the rows that random controls are drawn from; of too many, a fixed draw."""
        order = np.random.default_rng(self.layer).permutation(len(self.index))
        return np.sort(order[:MOST_CANDIDATES])

    @cached_property
    def products(self) -> np.ndarray:
        """float32 [candidates, candidates]: G of the candidates."""
        activation, decoder = self.activation[self.candidates], self.decoder[self.candidates]
        return (activation @ activation.T) * (decoder @ decoder.T)

    def removed(self, rows: np.ndarray) -> float:
        """The norm of what these features remove together."""
        return float(np.linalg.norm(self.activation[rows].T.astype(np.float64) @ self.decoder[rows]))

    def strength(self) -> np.ndarray:
        """float64 [features]: the norm that each removes alone."""
        return np.linalg.norm(self.activation, axis=1).astype(np.float64) * np.linalg.norm(self.decoder, axis=1)

    def rows_of(self, features: Collection[Feature]) -> np.ndarray:
        """int64, sorted: where those of `features` stand that fire in this layer."""
        return np.flatnonzero(np.isin(self.index, [f.index for f in features if f.layer == self.layer]))


def active_layers(
    engine: Engine, text: PromptLike, layers: Collection[int], where: np.ndarray | None = None
) -> dict[int, ActiveLayer]:
    """layer → its features that fire on the prompt, unedited. Raises InputError.

    where: bool [positions], the only ones that count; None for all behind BOS.
    """
    if not layers:
        return {}
    seen, found = engine.activity([text], layers), {}
    seen = seen[seen["position"] > 0 if where is None else where[seen["position"].to_numpy(np.int64)]]
    positions, widths = len(engine.prompt(text)), engine.widths
    for layer in layers:
        mine = seen[seen["layer"] == layer]
        index, row = np.unique(mine["index"].to_numpy(np.int64), return_inverse=True)
        activation = np.zeros((len(index), positions), dtype=np.float32)
        activation[row, mine["position"].to_numpy(np.int64)] = mine["activation"].to_numpy(np.float32)
        cosine = np.zeros(len(index), dtype=np.float32)
        cosine[row] = mine["cosine"].to_numpy(np.float32)
        decoder = engine.reader.decoders(layer, index)
        found[layer] = ActiveLayer(layer, index, activation, decoder, cosine, widths[layer])
    return found


class Control(NamedTuple):
    """features: sorted. removed: norm removed by the control over that by the set, summed over layers; NaN where the
    set removes nothing. matched: whether every layer is within `TOLERANCE`. short: features it lacks."""

    features: tuple[Feature, ...]
    removed: float
    matched: bool
    short: int


def matched(
    layers: Mapping[int, ActiveLayer],
    like: Sequence[Feature],
    generator: np.random.Generator,
    barred: Collection[Feature] = (),
) -> Control:
    """A random set with as many active and as many dormant features as `like` in every layer, that removes as much.

    Dormant ones, which remove nothing, are drawn from those of the layer that do not fire on the prompt. barred: what
    is not drawn, beside `like`.
    """
    chosen: dict[int, np.ndarray] = {}
    dormant: list[Feature] = []
    for number, here in sorted(_by_layer(like).items()):
        layer = layers[number]
        members = layer.rows_of(here)
        others = [feature for feature in barred if feature.layer == number]
        chosen[number] = _matched_rows(layer, members, layer.rows_of(others), generator)
        dormant += _dormant(layer, [*here, *others], len(here) - len(members), generator)
    return _control(layers, like, chosen, dormant)


def strongest_unaligned(layers: Mapping[int, ActiveLayer], like: Sequence[Feature], least_cosine: float) -> Control:
    """In every layer as many features as fire of `like`: those that remove most alone, aligned ones left out.

    least_cosine: a decoder row whose cosine to the refusal direction is this far from 0, either way, is aligned.
    """
    chosen: dict[int, np.ndarray] = {}
    for number, here in _by_layer(like).items():
        layer = layers[number]
        members = layer.rows_of(here)
        free = np.setdiff1d(np.flatnonzero(np.abs(layer.cosine) < least_cosine), members)
        chosen[number] = free[np.argsort(-layer.strength()[free], kind="stable")][: len(members)]
    return _control(layers, like, chosen, [])


def _by_layer(features: Sequence[Feature]) -> dict[int, list[Feature]]:
    found: dict[int, list[Feature]] = {}
    for feature in dict.fromkeys(features):
        found.setdefault(feature.layer, []).append(feature)
    return found


def _control(
    layers: Mapping[int, ActiveLayer], like: Sequence[Feature], chosen: Mapping[int, np.ndarray], more: list[Feature]
) -> Control:
    removed = {number: layers[number].removed(rows) for number, rows in chosen.items()}
    wanted = {number: layers[number].removed(layers[number].rows_of(like)) for number in chosen}
    total = sum(wanted.values())
    features = [*more, *(Feature(n, int(i)) for n, rows in chosen.items() for i in layers[n].index[rows])]
    return Control(
        tuple(sorted(features)),
        sum(removed.values()) / total if total > 0 else float("nan"),
        all(abs(removed[n] - wanted[n]) <= TOLERANCE * wanted[n] for n in chosen),
        len(like) - len(features),
    )


def _dormant(layer: ActiveLayer, like: Sequence[Feature], count: int, generator: np.random.Generator) -> list[Feature]:
    barred = np.union1d(layer.index, [f.index for f in like])
    free = np.setdiff1d(np.arange(layer.width), barred)
    return [Feature(layer.layer, int(i)) for i in generator.permutation(free)[:count]]


def _matched_rows(
    layer: ActiveLayer, members: np.ndarray, barred: np.ndarray, generator: np.random.Generator
) -> np.ndarray:
    """Rows of random non-members, as many as members, swapped one at a time until the norm is within the tolerance.

    A swap is drawn at random among those that reach the tolerance; where none does, the one that comes nearest is made.
    """
    places = generator.permutation(np.flatnonzero(~np.isin(layer.candidates, [*members, *barred])))
    free, count, target = layer.candidates[places], min(len(members), len(places)), layer.removed(members)
    if count in (0, len(free)):
        return np.sort(free[:count])
    own = np.diag(layer.products)[places].astype(np.float64)
    inside = np.arange(len(free)) < count  # the places are shuffled: the first are a random draw

    def products(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """float64, of these places alone: the whole table is a million numbers."""
        return layer.products[np.ix_(places[rows], places[columns])].astype(np.float64)

    everywhere = np.arange(len(free))
    for _ in range(4 * count + 16):
        with_set = products(everywhere, np.flatnonzero(inside)).sum(1)
        now = with_set[inside].sum()
        if _off(now, target) <= TOLERANCE:
            break
        out, into = np.flatnonzero(inside), np.flatnonzero(~inside)
        after = (
            now
            - 2 * with_set[out][:, None]
            + own[out][:, None]
            + 2 * (with_set[into][None] - products(out, into))
            + own[into][None]
        )
        off = _off(after, target)
        good = np.flatnonzero(off <= TOLERANCE)
        best = int(generator.choice(good)) if len(good) else int(off.argmin())
        if off.flat[best] >= _off(now, target):
            break
        row, column = divmod(best, len(into))
        inside[out[row]], inside[into[column]] = False, True
    return np.sort(free[inside])


def _off(squared: np.ndarray | float, target: float) -> np.ndarray:
    """How far a squared norm is from the target, as a share of the target."""
    return np.abs(np.sqrt(np.maximum(squared, 0.0)) - target) / max(target, 1e-12)
