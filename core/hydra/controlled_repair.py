"""Self-repair under an edit set, beside the same edits of random features and directions.

Knows: self-repair, and who draws controls. Does not know: how either is done.
"""

from __future__ import annotations

from typing import NamedTuple

from core.edits.edits import Edits, FeatureEdit
from core.engine import Engine
from core.hydra.control_edits import controls_for
from core.hydra.repair_controls import matched_edits
from core.hydra.self_repair import SelfRepair, self_repair
from core.prompts.conversation import PromptLike


class Repair(NamedTuple):
    """Self-repair under the edits, and under each control draw.

    about: what was drawn, in words, where the edits do more than ablate features; empty where they ablate only. Then
    matched says in how many draws as much is removed of the residual stream, and removes whether the edits remove
    anything from the prompt.
    """

    found: SelfRepair
    controls: tuple[SelfRepair, ...]
    matched: int
    removes: bool
    about: str = ""


def repair_with_controls(engine: Engine, prompt: PromptLike, edits: Edits) -> Repair:
    """The edits beside random controls, all in one batch. Raises InputError, AssetError."""
    if all(isinstance(item, FeatureEdit) and item.value == 0 for item in edits):
        control = matched_edits(engine, prompt, edits)
        found, *drawn = self_repair(engine, prompt, [edits, *control.draws])
        return Repair(found, tuple(drawn), control.matched, control.removes)
    others = controls_for(engine, prompt, edits, seed=0)
    found, *drawn = self_repair(engine, prompt, [edits, *others.draws])
    return Repair(found, tuple(drawn), 0, True, others.about)
