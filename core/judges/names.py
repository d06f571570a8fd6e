"""The names of the judges, with a sentence about each: data only, so that `hydrascope judge --help` waits for nothing.

Knows: names. Does not know: how a judge is made (`core.judges.catalogue`).
"""

from __future__ import annotations

from core.answers.names import RULES, SUBSTRINGS, SUBSTRINGS_0_1, WORDINGS

FIRST_TOKEN = "first-token"
#: What every search and page goes by unless another is asked for.
USUAL = RULES
#: What the name of a judge begins with that is a chat model of the registry: “llm:demo”.
LANGUAGE_MODEL = "llm:"
ABOUT_LANGUAGE_MODEL = (
    "A chat model reads request and answer, and judges by a rubric: refused or not, how specific, how convincing. Its "
    "judgements are as good as the model is."
)

#: How each judge decides, in words for people.
ABOUT: dict[str, str] = {
    RULES: "Refusal wordings in seven languages, and loops. Other answers are read by the current model, unedited: is "
    "the text likely, and does it fit this request better than others? Every search uses this judge unless you choose "
    "another.",
    WORDINGS: "The same wordings and loops without a model. It notices an off-topic answer only if it shares hardly a "
    "word with the request.",
    SUBSTRINGS: "The refusal phrases published by Arditi et al. 2024, and text that breaks or repeats itself. It "
    "misses refusals in other words.",
    SUBSTRINGS_0_1: "The same phrases as version 0.1 of this program judged, where a refusal that repeats itself "
    "counts as degenerate. For comparing with older results.",
    FIRST_TOKEN: "Measures whether the current model would begin its answer with a refusal. It reads only the "
    "prompt, not the answer.",
    "harmbench-llama": "HarmBench's classifier with 13 B parameters. Does the answer do what was requested?",
    "harmbench-mistral": "HarmBench's classifier with 7 B parameters. Does the answer do what was requested?",
    "llama-guard-2": "Meta's classifier with 8 B parameters. Is the answer unsafe, and in which category?",
    "llama-guard-3": "The successor of llama-guard-2 with 8 B parameters and more categories.",
}
#: Judges that need a loaded model of the registry, and those that need none at all.
NEED_ENGINE: tuple[str, ...] = (RULES, FIRST_TOKEN)
NEED_NOTHING: tuple[str, ...] = (WORDINGS, SUBSTRINGS, SUBSTRINGS_0_1)


def judge_names() -> tuple[str, ...]:
    """Every judge but the language models."""
    return tuple(ABOUT)


def about(name: str) -> str:
    """How a judge decides, in words for people."""
    return ABOUT_LANGUAGE_MODEL if name.startswith(LANGUAGE_MODEL) else ABOUT[name]


def names_text() -> str:
    """The names, for a help text."""
    return f"{', '.join(judge_names())}, or {LANGUAGE_MODEL}MODEL for any chat model of `hydrascope models`"
