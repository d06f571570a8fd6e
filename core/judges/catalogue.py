"""How each judge is made, by its name.

Knows: the classes and repositories. Does not know: how any of them judges. Making one loads nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from core.answers.judge import Judge
from core.answers.names import RULES, SUBSTRINGS, SUBSTRINGS_0_1, WORDINGS
from core.answers.rule_judges import rules_judge, substrings_judge, substrings_judge_0_1, wordings_judge
from core.engine import Engine
from core.errors import InputError
from core.judges.classifier import Classifier
from core.judges.first_token import first_token_judge
from core.judges.harmbench import LLAMA2_CLS_PROMPT, MISTRAL_CLS_PROMPT, HarmBench
from core.judges.language_model import language_model_judge
from core.judges.llama_guard import LlamaGuard
from core.judges.names import FIRST_TOKEN, LANGUAGE_MODEL, judge_names, names_text
from core.progress import NEVER, QUIET, Progress

_CLASSIFIERS: dict[str, Any] = {
    "harmbench-llama": partial(HarmBench, repo="cais/HarmBench-Llama-2-13b-cls", prompt=LLAMA2_CLS_PROMPT),
    "harmbench-mistral": partial(HarmBench, repo="cais/HarmBench-Mistral-7b-val-cls", prompt=MISTRAL_CLS_PROMPT),
    "llama-guard-2": partial(LlamaGuard, repo="meta-llama/Meta-Llama-Guard-2-8B"),
    "llama-guard-3": partial(LlamaGuard, repo="meta-llama/Llama-Guard-3-8B"),
}
_BY_TEXT: dict[str, Callable[[], Judge]] = {
    WORDINGS: wordings_judge,
    SUBSTRINGS: substrings_judge,
    SUBSTRINGS_0_1: substrings_judge_0_1,
}
OF_A_MODEL: dict[str, Callable[[Engine], Judge]] = {
    RULES: lambda engine: rules_judge(engine.runtime),
    FIRST_TOKEN: first_token_judge,
}


def find_judge(
    name: str,
    folder: Path | None = None,
    device: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
    engine: Engine | None = None,
) -> Judge:
    """The judge called `name`, nothing loaded. folder: a local copy of its model. engine: the loaded model, for the
    judges that ask it (`core.judges.names.NEED_ENGINE`). Raises InputError, AssetError, and UnknownModelError for a
    language model that is not in the registry.

    progress(message, share) and cancelled: as of `core.hub.fetch.fetch`, for a classifier's model.
    """
    if name in _CLASSIFIERS:
        made: Classifier = _CLASSIFIERS[name](
            name, folder=folder, device=device, progress=progress, cancelled=cancelled
        )
        return made
    if name.startswith(LANGUAGE_MODEL):
        return language_model_judge(name, folder, device, progress, cancelled)
    if name not in judge_names():
        raise InputError(f"There is no judge “{name:.40}”. Known judges: {names_text()}.")
    if folder is not None:
        raise InputError(f"The judge “{name}” has no model of its own, so it needs no folder. Leave the folder out.")
    if name in _BY_TEXT:
        return _BY_TEXT[name]()
    if engine is None:
        raise InputError(f"The judge “{name}” asks the model whose answers it judges. Load that model first.")
    return OF_A_MODEL[name](engine)
