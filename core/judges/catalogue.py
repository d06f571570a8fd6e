"""How each judge is made, by its name.

Knows: the classes and repositories. Does not know: how any of them judges. Making one loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.judges.classifier import Classifier
from core.judges.harmbench import LLAMA2_CLS_PROMPT, MISTRAL_CLS_PROMPT, HarmBench
from core.judges.language_model import language_model_judge
from core.judges.llama_guard import LlamaGuard
from core.judges.names import LANGUAGE_MODEL, names_text
from core.judges.protocol import Judge
from core.judges.text_rules import SUBSTRINGS
from core.progress import NEVER, QUIET, Progress

_CLASSIFIERS: dict[str, Any] = {
    "harmbench-llama": partial(HarmBench, repo="cais/HarmBench-Llama-2-13b-cls", prompt=LLAMA2_CLS_PROMPT),
    "harmbench-mistral": partial(HarmBench, repo="cais/HarmBench-Mistral-7b-val-cls", prompt=MISTRAL_CLS_PROMPT),
    "llama-guard-2": partial(LlamaGuard, repo="meta-llama/Meta-Llama-Guard-2-8B"),
    "llama-guard-3": partial(LlamaGuard, repo="meta-llama/Llama-Guard-3-8B"),
}


def find_judge(
    name: str,
    folder: Path | None = None,
    device: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Judge:
    """The judge called `name`, nothing loaded. folder: a local copy of its model. Raises InputError, and
    UnknownModelError for a language model that is not in the registry.

    progress(message, share) and cancelled: as of `core.hub.fetch.fetch`, for a classifier's model.
    """
    if name in _CLASSIFIERS:
        made: Classifier = _CLASSIFIERS[name](
            name, folder=folder, device=device, progress=progress, cancelled=cancelled
        )
        return made
    if name.startswith(LANGUAGE_MODEL):
        return language_model_judge(name, folder, device, progress, cancelled)
    if name == SUBSTRINGS.name and folder is None:
        return SUBSTRINGS
    if name == SUBSTRINGS.name:
        raise InputError("The judge “substrings” has no model, so it needs no folder. Leave the folder out.")
    raise InputError(f"There is no judge “{name:.40}”. Known judges: {names_text()}.")
