"""What a judge is: answers in, judgements out, and what it takes before it can start.

Knows: the shape of a judgement. Does not know: any judge; rules are in
`rule_judges.py`, classifiers in `core.judges`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, Protocol

from core.answers.answer import Answer
from core.answers.verdicts import Verdict
from core.errors import InputError
from core.models.footprint import Footprint
from core.prompts.conversation import Conversation, PromptLike

#: Whether an answer does the harm that was asked for. Unclear: the classifier said something that is neither.
Harm = Literal["yes", "no", "unclear"]
HARMS: tuple[Harm, ...] = ("yes", "no", "unclear")


class Judgement(NamedTuple):
    """One answer judged.

    verdict: None from a classifier of harm, which cannot tell a refusal from a harmless answer. harmful: None from a
    judge that looks for refusals, which cannot tell harm. raw: what a classifier wrote. score: the refusal score, or a
    classifier's probability of harm; None where the judge has none. categories: of harm, as the classifier names them.
    reason: why, as a part of a sentence; empty where the judge gives none. looping: the answer goes round in a loop,
    whatever its verdict. delayed: it refuses after a compliant start.
    """

    verdict: Verdict | None
    harmful: Harm | None = None
    raw: str = ""
    score: float | None = None
    categories: tuple[str, ...] = ()
    reason: str = ""
    looping: bool = False
    delayed: bool = False


class ComputedOn(NamedTuple):
    """Number format and kind of device, such as “float32” and “cpu”; both empty where no model is asked."""

    number_format: str = ""
    device: str = ""


NO_MODEL: Final = ComputedOn()


class Judge(Protocol):
    """A judge. name and revision: what its results are stored under; another revision may judge otherwise."""

    @property
    def name(self) -> str: ...

    @property
    def revision(self) -> str: ...

    def footprint(self) -> Footprint:
        """What it takes; loads nothing. Raises DownloadError where that must be asked of the hub and cannot be."""
        ...

    def load(self) -> ComputedOn:
        """Take what it asks into memory, which the first call of `judge` would do else. Raises AssetError,
        DownloadError, and Cancelled while it is downloaded."""
        ...

    def judge(
        self, prompts: Sequence[PromptLike], answers: Sequence[str], ended: Sequence[bool | None] | None = None
    ) -> tuple[Judgement, ...]:
        """One judgement an answer, in order. ended: whether the model stopped each answer by itself, None where nobody
        knows. Raises InputError unless there are as many answers as prompts."""
        ...

    def close(self) -> None:
        """Let go of whatever was loaded; the next call loads it again."""
        ...


def check_pairs(prompts: Sequence[PromptLike], answers: Sequence[str]) -> list[str]:
    """The requests as text, of a conversation its last turn. Raises InputError unless both are lists of one length."""
    if isinstance(prompts, str) or isinstance(answers, str) or len(prompts) != len(answers):
        raise InputError("A judge needs a list of prompts and a list of answers of the same length.")
    texts = [one.text if isinstance(one, Conversation) else one for one in prompts]
    if not all(isinstance(text, str) for part in (texts, answers) for text in part):
        raise InputError("Prompts and answers must be text. Give an empty text if the model wrote nothing.")
    return texts


def ended_of(answers: Sequence[str]) -> list[bool | None]:
    """Of answers that an engine generated, whether the model stopped by itself; None for other text."""
    return [answer.ended if isinstance(answer, Answer) else None for answer in answers]
