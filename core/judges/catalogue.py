"""The judges by name: data, and how each is made.

Knows: names and repositories. Does not know: how any of them judges. Making one loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from core.errors import InputError
from core.judges.classifier import Classifier
from core.judges.harmbench import LLAMA2_CLS_PROMPT, MISTRAL_CLS_PROMPT, HarmBench
from core.judges.llama_guard import LlamaGuard
from core.judges.protocol import Judge
from core.judges.text_rules import SUBSTRINGS
from core.progress import NEVER, QUIET, Progress

_CLASSIFIERS: dict[str, Any] = {
    "harmbench-llama": partial(HarmBench, repo="cais/HarmBench-Llama-2-13b-cls", prompt=LLAMA2_CLS_PROMPT),
    "harmbench-mistral": partial(HarmBench, repo="cais/HarmBench-Mistral-7b-val-cls", prompt=MISTRAL_CLS_PROMPT),
    "llama-guard-2": partial(LlamaGuard, repo="meta-llama/Meta-Llama-Guard-2-8B"),
    "llama-guard-3": partial(LlamaGuard, repo="meta-llama/Llama-Guard-3-8B"),
}


#: How each judge decides, in words for people.
ABOUT: dict[str, str] = {
    SUBSTRINGS.name: "Looks for refusal phrases in the answer, and for text that repeats itself. Every search uses "
    "it. It misses refusals in other words.",
    "first-token": "Measures whether the model in use would begin its answer with a refusal. It reads the prompt only, "
    "not the answer.",
    "harmbench-llama": "HarmBench's classifier of 13 B parameters: does the answer do what was asked?",
    "harmbench-mistral": "HarmBench's classifier of 7 B parameters: does the answer do what was asked?",
    "llama-guard-2": "Meta's classifier of 8 B parameters: is the answer unsafe, and in which category?",
    "llama-guard-3": "The successor of llama-guard-2, of 8 B parameters, with more categories.",
}


def judge_names() -> tuple[str, ...]:
    """Every judge there is. “first-token” needs a loaded model and is made by `first_token`."""
    return (SUBSTRINGS.name, "first-token", *_CLASSIFIERS)


def find_judge(
    name: str,
    folder: Path | None = None,
    device: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Judge:
    """The judge called `name`, nothing loaded. folder: a local copy of its model. Raises InputError.

    progress(message, share) and cancelled: as of `core.hub.fetch.fetch`, for a classifier's model.
    """
    if name in _CLASSIFIERS:
        made: Classifier = _CLASSIFIERS[name](
            name, folder=folder, device=device, progress=progress, cancelled=cancelled
        )
        return made
    if name == SUBSTRINGS.name and folder is None:
        return SUBSTRINGS
    if name == SUBSTRINGS.name:
        raise InputError("The judge “substrings” has no model, so it takes no folder; leave the folder out.")
    raise InputError(f"No judge is called “{name:.40}” here; known: {', '.join(judge_names())}.")
