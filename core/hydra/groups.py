"""Does a woken feature matter? Compensation and coincidence told apart by ablating it too.

Knows: a set, and groups of features to ablate on top of it. Does not know: how the groups were found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from core.edits.edits import Edits, Feature
from core.edits.feature_sets import random_active
from core.engine import Engine
from core.errors import InputError
from core.prompts.conversation import PromptLike


def matters(
    engine: Engine, prompt: PromptLike, edits: Edits, groups: Mapping[str, Sequence[Feature]], *, seed: int = 0
) -> pd.DataFrame:
    """Refusal scores with each group also ablated, one row a group, in one batch.

    group, features (how many), score (the set alone), with_group (the set and the group), difference (with_group −
    score: below 0 where the group was holding refusal up), control (the set and as many random features, of those
    active under the set and in neither), group_alone, control_features (how many the control found: fewer than
    `features` where the prompt has no more). Raises InputError.
    """
    if not groups:
        raise InputError(
            "No group of features was given. Give at least one, for example the woken features of a layer."
        )
    active = engine.features(prompt, edits)
    named = {name: list(dict.fromkeys(Feature(*f) for f in features)) for name, features in groups.items()}
    controls = [random_active(active, group, seed, exclude=edits.features) for group in named.values()]
    sets = [edits]
    for group, control in zip(named.values(), controls, strict=True):
        sets += [edits + Edits.ablate(group), edits + Edits.ablate(control), Edits.ablate(group)]
    score = engine.measure(prompt, sets).refusal_score[0]
    return pd.DataFrame(
        {
            "group": list(named),
            "features": [len(group) for group in named.values()],
            "score": score[0],
            "with_group": score[1::3],
            "difference": score[1::3] - score[0],
            "control": score[2::3],
            "group_alone": score[3::3],
            "control_features": [len(control) for control in controls],
        }
    )
