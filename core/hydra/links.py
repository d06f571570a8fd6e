"""Who wakes whom: leave each ablated feature in, by turns, and see which woken features fall asleep again.

Knows: edit sets and the activations of a few watched features. Does not know: how the watched ones were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.errors import InputError
from core.prompts.conversation import PromptLike


@dataclass(frozen=True, eq=False)
class Links:
    """What each part of a set does to the watched features, and to refusal.

    frame: one row per (left out, watched) pair in which the one can reach the other, strongest effect of either sign
    first: left_out (“layer-index”, or the layer's number), woken (“layer-index”), layer_out, layer (of the watched
    one), effect (its largest activation over positions with the whole set on, less that with this one left out),
    position (where it is largest with the whole set on). Above 0, ablating `left_out` is part of why `woken` fires.
    scores: one row per left-out feature or layer, in the set's order: left_out, score (refusal score without it),
    difference (that less the whole set's score).
    """

    frame: pd.DataFrame
    scores: pd.DataFrame


def leave_one_out(
    engine: Engine,
    prompt: PromptLike,
    edits: Edits,
    watched: Sequence[Feature],
    by: Literal["feature", "layer"] = "feature",
    most: int = 200,
    with_bos: bool = True,
) -> Links:
    """The whole set and the set without each feature, or without each layer's, in one batch.

    with_bos: whether what a watched feature does at position 0 counts; it is the same for every prompt there.
    Raises InputError when there are more than `most` to leave out, or when the set names no feature.
    """
    if by not in ("feature", "layer"):
        raise InputError(
            f"Features are left out by “feature” or by “layer”, not by “{by!s:.40}”. Choose one of the two."
        )
    parts = {str(f): (f.layer, [f]) for f in edits.features}
    if by == "layer":
        layers = sorted({f.layer for f in edits.features})
        parts = {str(n): (n, [f for f in edits.features if f.layer == n]) for n in layers}
    if not parts:
        raise InputError("The edits contain no feature that can be left out. Start from a set of features.")
    if len(parts) > most:
        raise InputError(
            f"The set has {len(parts):,} parts, more than the {most:,} that can be left out one at a time. Leave "
            "out one layer at a time, or choose a smaller set."
        )
    sets = [edits, *(edits.without(features) for _, features in parts.values())]
    found = engine.measure(prompt, sets, watched)
    filled = np.nan_to_num(found.activations[0], nan=0.0)  # NaN only where nothing is watched at a position
    if not with_bos:
        filled[..., 0] = 0.0
    highest, at = filled.max(-1, initial=0.0), filled[0].argmax(-1) if filled.size else np.zeros(0, dtype=np.int64)
    rows = [
        (out, str(feature), layer, feature.layer, float(highest[0, column] - highest[row, column]), int(at[column]))
        for row, (out, (layer, _)) in enumerate(parts.items(), start=1)
        for column, feature in enumerate(Feature(*f) for f in watched)
        if layer < feature.layer  # what is watched is read before its own layer's edit
    ]
    frame = pd.DataFrame(rows, columns=["left_out", "woken", "layer_out", "layer", "effect", "position"])
    order = frame["effect"].abs().sort_values(ascending=False, kind="stable").index
    score = found.refusal_score[0]
    scores = pd.DataFrame({"left_out": list(parts), "score": score[1:], "difference": score[1:] - score[0]})
    return Links(frame.loc[order].reset_index(drop=True), scores)
