"""Where a model's refusal direction lies, and which prompts it is computed from when none are given.

Knows: the cache folder, a spec's files. Does not know: how a direction is computed (`core.measures.direction_search`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from core.arguments import listed
from core.edits.direction import Direction, load_direction
from core.errors import InputError
from core.models.spec import ModelSpec
from core.paths import cache_folder
from core.prompts.checks import same_text_key
from core.prompts.shipped import ShippedPrompt, prompts_file, read_shipped, shipped_texts
from core.text.figures import counted

#: Shipped prompts a side, train and val.
_TRAIN, _VALIDATION = 128, 32

_log = logging.getLogger("hydrascope.directions")
#: Texts of one side: (train, validation).
Side = tuple[Sequence[str], Sequence[str]]


def computed_file(model: str) -> Path:
    """Where the direction computed for a model is kept."""
    return cache_folder() / "directions" / f"{model}.safetensors"


def stored_direction(spec: ModelSpec, d_model: int, weights: str = "") -> Direction | None:
    """The one last computed here, else the shipped one; None where neither has `d_model` numbers.

    weights: digest of the weights it will be used with. One that was computed from others under the same name is passed
    over, and the log says so once. Empty where the caller compares directions itself.
    """
    computed = computed_file(spec.name)
    for path in (computed, spec.direction):
        if path is not None and path.is_file():
            found = load_direction(path)
            if found.vector.numel() == d_model and (path != computed or _is_of(weights, found, spec.name)):
                return found
    return None


def _is_of(weights: str, found: Direction, model: str) -> bool:
    """Whether a computed direction is of these weights, as far as its file says."""
    before = found.provenance.get("weights", "")
    if weights and before != weights:
        _say_once(
            f"The refusal direction that was computed for “{model}” is not used, because it is of other model files. "
            "Compute it again."
            if before
            else f"The refusal direction that was computed for “{model}” is from a version that did not keep of which "
            "weights it is. It is used; compute it again if the model's files were replaced since."
        )
    return not (weights and before and before != weights)


@cache
def _say_once(sentence: str) -> None:
    _log.warning(sentence)


def split_sides(
    spec: ModelSpec, harmful: Sequence[str] | None, harmless: Sequence[str] | None, validation: float
) -> tuple[Side, Side]:
    """(harmful, harmless): the given lists with their last `validation` share held out, or the prompts shipped with the
    model, or those bundled with the program.

    Raises InputError.
    """
    if not 0 < validation < 1:
        raise InputError(f"The validation share is {validation}; give a number between 0 and 1, such as 0.2.")
    if (harmful is None) != (harmless is None):
        raise InputError("A direction needs both harmful and harmless prompts. Give both lists or neither.")
    if harmful is None or harmless is None:
        rows = read_shipped(spec.prompts or prompts_file())
        return _shipped(rows, "harmful"), _shipped(rows, "benign")
    sides = listed(harmful, "Prompts"), listed(harmless, "Prompts")
    keys = [{same_text_key(text) for text in side if isinstance(text, str)} for side in sides]
    if both := keys[0] & keys[1]:  # in both means, and held out on both sides, it would only hide the difference
        stand = "stands" if len(both) == 1 else "stand"
        raise InputError(
            f"{counted(len(both), 'prompt')} {stand} in the harmful and in the harmless list. Give two lists that have "
            "none in common."
        )
    return _cut(sides[0], validation), _cut(sides[1], validation)


def _shipped(rows: list[ShippedPrompt], kind: str) -> Side:
    return shipped_texts(rows, kind, "train", _TRAIN), shipped_texts(rows, kind, "val", _VALIDATION)


def _cut(texts: list[str], validation: float) -> Side:
    at = round(len(texts) * (1 - validation))
    return texts[:at], texts[at:]
