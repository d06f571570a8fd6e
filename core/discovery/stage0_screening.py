"""Stage 0: which prompts a run is about (paper, “Dataset”): harmful ones refused unedited, benign ones answered.

Knows: texts, verdicts, and a function that answers. Does not know: files, features or the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import VERDICTS, Verdict
from core.edits.edits import Edits
from core.errors import InputError

#: Prompts × edit sets → greedy answers [prompt][edit set]; `Engine.answers` with its length bound.
AnswerMany = Callable[[Sequence[str], Sequence[Edits]], Sequence[Sequence[str]]]
PromptKind = Literal["harmful", "benign"]
#: The verdict that keeps a prompt of each kind.
WANTED: dict[PromptKind, tuple[Verdict, ...]] = {"harmful": ("refused",), "benign": ("complied",)}


@dataclass(frozen=True)
class Screened:
    """One prompt: kept, or dropped for `reason` (a verdict, “repeated”, or the sentence of the error it met)."""

    text: str
    kind: PromptKind
    kept: bool
    reason: str
    answer: str


def screen(
    texts: Sequence[str],
    kind: PromptKind,
    answer: AnswerMany,
    check: Callable[[str], object],
    judge: Judge,
    chunk: int = 64,
    before: Sequence[str] = (),
) -> list[Screened]:
    """Judge the unedited answer to each text, in the order given. A text that occurs twice counts once.

    before: texts of the same list that were screened earlier. check: raises InputError for a text the model cannot take
    (too long, empty); it is dropped with that sentence.
    """
    found: dict[int, Screened] = {}
    seen = set(before)
    todo: list[int] = []
    for place, text in enumerate(texts):
        if text in seen:
            found[place] = Screened(text, kind, False, "repeated", "")
            continue
        seen.add(text)
        try:
            check(text)
        except InputError as error:
            found[place] = Screened(text, kind, False, str(error), "")
            continue
        todo.append(place)
    for start in range(0, len(todo), chunk):
        part = todo[start : start + chunk]
        asked = [texts[i] for i in part]
        replies = [reply for (reply,) in answer(asked, [Edits()])]
        verdicts = verdicts_of(judge, asked, replies, harmful=kind == "harmful")
        for place, reply, judged in zip(part, replies, verdicts, strict=True):
            found[place] = Screened(texts[place], kind, judged in WANTED[kind], judged, reply)
    return [found[place] for place in range(len(texts))]


def summary(screened: Sequence[Screened]) -> str:
    """How many were kept, and how many dropped for what, in one sentence."""
    kept = sum(s.kept for s in screened)
    reasons = Counter(s.reason if s.reason in (*VERDICTS, "repeated") else "unusable" for s in screened if not s.kept)
    dropped = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common())
    return f"{kept} of {len(screened)} kept" + (f"; dropped: {dropped}." if dropped else ".")
