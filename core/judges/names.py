"""The names of the judges, with a sentence about each: data only, so that `hydrascope judge --help` waits for nothing.

Knows: names. Does not know: how a judge is made (`core.judges.catalogue`).
"""

from __future__ import annotations

SUBSTRINGS_NAME, FIRST_TOKEN = "substrings", "first-token"
#: What the name of a judge begins with that is a chat model of the registry: “llm:demo”.
LANGUAGE_MODEL = "llm:"
ABOUT_LANGUAGE_MODEL = (
    "A chat model reads request and answer, and judges by a rubric: refused or not, how specific, how convincing. Its "
    "judgements are as good as the model is."
)

#: How each judge decides, in words for people.
ABOUT: dict[str, str] = {
    SUBSTRINGS_NAME: "Looks for refusal phrases in the answer, and for text that repeats itself. Every search uses "
    "this judge. It misses refusals in other words.",
    FIRST_TOKEN: "Measures whether the current model would begin its answer with a refusal. It reads only the "
    "prompt, not the answer.",
    "harmbench-llama": "HarmBench's classifier with 13 B parameters. Does the answer do what was requested?",
    "harmbench-mistral": "HarmBench's classifier with 7 B parameters. Does the answer do what was requested?",
    "llama-guard-2": "Meta's classifier with 8 B parameters. Is the answer unsafe, and in which category?",
    "llama-guard-3": "The successor of llama-guard-2 with 8 B parameters and more categories.",
}


def judge_names() -> tuple[str, ...]:
    """Every judge but the language models.

    “first-token” needs a loaded model: `core.judges.text_rules.first_token_judge` makes it.
    """
    return tuple(ABOUT)


def about(name: str) -> str:
    """How a judge decides, in words for people."""
    return ABOUT_LANGUAGE_MODEL if name.startswith(LANGUAGE_MODEL) else ABOUT[name]


def names_text() -> str:
    """The names, for a help text."""
    return f"{', '.join(judge_names())}, or {LANGUAGE_MODEL}MODEL for any chat model of `hydrascope models`"
