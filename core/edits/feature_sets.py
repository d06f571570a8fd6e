"""Feature sets one click away: nearest the refusal direction, and an equally large random control.

Pure functions from the frames of `Engine.alignment` and `Engine.features` to lists of features, seeded where chance
plays a part. Knows: those frames' columns. Does not know: models, edits, pages.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd

from core.edits.edits import Feature
from core.errors import InputError

#: The first layers read tokens more than meaning; the paper's Stage 1 leaves the first two out.
SKIPPED_LAYERS = 2


def top_per_layer(alignment: pd.DataFrame, k: int, skip_layers: int = SKIPPED_LAYERS) -> list[Feature]:
    """The `k` features of each SAE layer whose decoder rows have the highest cosine to the direction (paper, Stage 1).

    alignment: layer, index, cosine. Layers below `skip_layers` are left out. In order of layer, nearest first.
    """
    if k < 1:
        raise InputError(f"K is {k}. Choose at least 1 feature per layer.")
    kept = alignment[(alignment["layer"] >= skip_layers) & alignment["cosine"].notna()]
    ranked = kept.sort_values(["layer", "cosine", "index"], ascending=[True, False, True])
    return features_of(ranked.groupby("layer", sort=True).head(k))


def active_near(features: pd.DataFrame, least_cosine: float, with_bos: bool = False) -> list[Feature]:
    """Every feature active on this prompt whose decoder row has a cosine of at least `least_cosine` to the direction.

    features: layer, index, position, activation, cosine. A feature active at position 0 only is left out unless
    `with_bos`: BOS is the same for every prompt, and out of distribution for most SAEs.
    """
    seen = features if with_bos else features[features["position"] > 0]
    near = seen[seen["cosine"] >= least_cosine].drop_duplicates(["layer", "index"])
    return features_of(near.sort_values(["layer", "cosine", "index"], ascending=[True, False, True]))


def random_active(
    features: pd.DataFrame, like: Sequence[Feature], seed: int, exclude: Collection[Feature] = ()
) -> list[Feature]:
    """As many random active features as `like` has, layer by layer: the control for what ablating any features does.

    Features in `like` and `exclude` are never drawn. Layers short of active features give what they have; what is
    then missing is drawn from the other layers, so the sizes match wherever the prompt allows it.
    """
    return random_per_layer(features, Counter(feature.layer for feature in like), seed, {*like, *exclude})


def random_per_layer(
    features: pd.DataFrame, wanted: Mapping[int, int], seed: int, exclude: Collection[Feature] = ()
) -> list[Feature]:
    """So many random active features of each layer, none of `exclude`; what a layer lacks is drawn from the others."""
    generator, left = np.random.default_rng(seed), dict(wanted)
    seen = features[features["position"] > 0].drop_duplicates(["layer", "index"]).sort_values(["layer", "index"])
    barred = set(exclude)
    pool = [feature for feature in features_of(seen) if feature not in barred]
    generator.shuffle(pool)
    drawn, spare = [], []
    for layer, index in pool:
        feature = Feature(int(layer), int(index))
        if left.get(feature.layer, 0) > 0:
            left[feature.layer] -= 1
            drawn.append(feature)
        else:
            spare.append(feature)
    drawn += spare[: sum(wanted.values()) - len(drawn)]
    return sorted(drawn)


def features_of(frame: pd.DataFrame) -> list[Feature]:
    """The features of a table with columns layer and index, row by row."""
    return [Feature(*pair) for pair in frame[["layer", "index"]].to_numpy(dtype=np.int64).tolist()]
