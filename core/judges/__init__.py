"""Judges: what an answer is, said by rules, by a score, or by a classifier.

    from core.judges import find_judge
    judgements = find_judge("harmbench-mistral").judge(prompts, answers)

Knows: which there are; a classifier is loaded when it is first asked, and let go by `close()`. Does not know: pages,
the store.
Public: `find_judge`, `judge_names`, `first_token_judge`, `SUBSTRINGS`, `Judge`, `Judgement`, `Classifier`, `ABOUT`.
"""

from core.judges.catalogue import ABOUT, find_judge, judge_names
from core.judges.classifier import Classifier
from core.judges.harmbench import LLAMA2_CLS_PROMPT, MISTRAL_CLS_PROMPT, HarmBench
from core.judges.llama_guard import LlamaGuard
from core.judges.protocol import HARMS, Harm, Judge, Judgement
from core.judges.text_rules import SUBSTRINGS, ByText, FirstToken, first_token_judge

__all__ = [
    "ABOUT",
    "HARMS",
    "LLAMA2_CLS_PROMPT",
    "MISTRAL_CLS_PROMPT",
    "SUBSTRINGS",
    "ByText",
    "Classifier",
    "FirstToken",
    "Harm",
    "HarmBench",
    "Judge",
    "Judgement",
    "LlamaGuard",
    "find_judge",
    "first_token_judge",
    "judge_names",
]
