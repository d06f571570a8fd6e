"""Does a woken feature matter? Compensation and coincidence told apart by ablating it too.

Knows: a set, and groups of features to ablate on top of it. Does not know: how the features were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from core.edits.edits import Edits, Feature
from core.edits.feature_sets import features_of, random_active
from core.engine import Engine
from core.errors import InputError
from core.hydra.wakening import Wakening
from core.prompts.conversation import PromptLike

#: Random draws a group is compared with.
DRAWS = 5


def matters(
    engine: Engine,
    prompt: PromptLike,
    edits: Edits,
    groups: Mapping[str, Sequence[Feature]],
    *,
    seed: int = 0,
    draws: int = DRAWS,
) -> pd.DataFrame:
    """Refusal scores with each group also ablated, one row a group, in one batch.

    group, features (how many), score (the set alone), with_group (the set and the group), difference (with_group −
    score: below 0 where the group was holding refusal up), control (the set and as many random features, of those
    active under the set and in neither; the mean of the draws), control_low and control_high (the lowest and the
    highest draw), group_alone, control_features (how many the controls found: fewer than `features` where the prompt
    has no more). Draws are numbered from `seed`. Raises InputError.
    """
    if draws < 1:
        raise InputError(f"A group is compared with at least 1 random draw, not {draws}. Give a larger number.")
    if not groups:
        raise InputError(
            "No group of features was given. Give at least one, for example the woken features of a layer."
        )
    active = engine.features(prompt, edits)
    named = {name: list(dict.fromkeys(Feature(*f) for f in features)) for name, features in groups.items()}
    controls = [
        [random_active(active, group, seed + draw, exclude=edits.features) for draw in range(draws)]
        for group in named.values()
    ]
    sets = [edits]
    for group, drawn in zip(named.values(), controls, strict=True):
        sets += [edits + Edits.ablate(group), Edits.ablate(group), *(edits + Edits.ablate(one) for one in drawn)]
    first, *scores = engine.measure(prompt, sets).refusal_score[0]
    with_group, group_alone, *control = np.reshape(scores, (len(named), 2 + draws)).T
    return pd.DataFrame(
        {
            "group": list(named),
            "features": [len(group) for group in named.values()],
            "score": first,
            "with_group": with_group,
            "difference": with_group - first,
            "control": np.mean(control, axis=0),
            "control_low": np.min(control, axis=0),
            "control_high": np.max(control, axis=0),
            "group_alone": group_alone,
            "control_features": [len(drawn[0]) for drawn in controls],
        }
    )


def matters_by(
    engine: Engine, prompt: PromptLike, edits: Edits, found: Wakening, by: str = "layer", most: int | None = None
) -> pd.DataFrame:
    """`matters` of what woke, but with control, control_low and control_high as differences from score; largest drop
    first. by: “layer”, or “feature” for one at a time. most: only the strongest so many. Empty where nothing woke.
    Raises InputError.
    """
    groups: dict[str, list[Feature]] = {}
    for feature in features_of(found.woken if most is None else found.woken.head(most)):
        groups.setdefault(str(feature) if by == "feature" else f"layer {feature.layer}", []).append(feature)
    if not groups:
        return pd.DataFrame()
    frame = matters(engine, prompt, edits, groups)
    for column in ("control", "control_low", "control_high"):
        frame[column] -= frame["score"]
    return frame.sort_values("difference", ignore_index=True)
