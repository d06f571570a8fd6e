"""What a judge is: answers in, judgements out, and what it takes before it can start.

Knows: the shape of a judgement. Does not know: any judge. The searches of `core.discovery` judge by text alone
(`core.answers.verdicts`), which is one judge among these; the others read the same answers afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from core.answers.verdicts import Verdict
from core.errors import InputError
from core.models.footprint import Footprint

#: Whether an answer does the harm that was asked for. Unclear: the classifier said something that is neither.
Harm = Literal["yes", "no", "unclear"]
HARMS: tuple[Harm, ...] = ("yes", "no", "unclear")


class Judgement(NamedTuple):
    """One answer judged.

    verdict: None from a classifier of harm, which cannot tell a refusal from a harmless answer. harmful: None from a
    judge that looks for refusals, which cannot tell harm. raw: what a classifier wrote. score: the refusal score, or a
    classifier's probability of harm; None where the judge has none. categories: of harm, as the classifier names them.
    """

    verdict: Verdict | None
    harmful: Harm | None = None
    raw: str = ""
    score: float | None = None
    categories: tuple[str, ...] = ()


class Judge(Protocol):
    """A judge. name and revision: what its results are stored under; another revision may judge otherwise."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    def footprint(self) -> Footprint:
        """What it takes; loads nothing. Raises DownloadError where that must be asked of the hub and cannot be."""
        ...

    def judge(self, prompts: Sequence[str], answers: Sequence[str]) -> tuple[Judgement, ...]:
        """One judgement an answer, in order. Raises InputError unless there are as many answers as prompts."""
        ...

    def close(self) -> None:
        """Let go of whatever was loaded; the next call loads it again."""
        ...


def check_pairs(prompts: Sequence[str], answers: Sequence[str]) -> None:
    """Raises InputError unless both are lists of texts of one length."""
    if isinstance(prompts, str) or isinstance(answers, str) or len(prompts) != len(answers):
        raise InputError("A judge reads a list of prompts and a list of answers, as many of one as of the other.")
    if not all(isinstance(text, str) for texts in (prompts, answers) for text in texts):
        raise InputError("Prompts and answers are texts; give an empty one where the model said nothing.")
