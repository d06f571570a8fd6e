"""The names of the judges, with a sentence about each: data only, so that `hydrascope judge --help` waits for nothing.

Knows: names. Does not know: how a judge is made (`core.judges.catalogue`).
"""

from __future__ import annotations

SUBSTRINGS_NAME, FIRST_TOKEN = "substrings", "first-token"

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
    """Every judge. “first-token” needs a loaded model: `core.judges.text_rules.first_token_judge` makes it."""
    return tuple(ABOUT)
