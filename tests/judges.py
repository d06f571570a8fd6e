"""Judges for tests: any function of the answer's text in a judge's shape."""

from __future__ import annotations

from collections.abc import Callable

from core.answers.rule_judges import RuleJudge, substrings_judge, text_judge
from core.answers.verdicts import Verdict


def judging(verdict_of: Callable[[str], Verdict], name: str = "test") -> RuleJudge:
    """A judge that goes by `verdict_of` alone."""
    return text_judge(name, "of a test", verdict_of)


#: The published phrases, as they ship.
SUBSTRINGS = substrings_judge()
