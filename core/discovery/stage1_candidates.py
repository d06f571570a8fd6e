"""Stage 1: the smallest top-K set whose ablation flips each prompt (paper, “Selecting a Top-K candidate set”).

Knows: feature sets by K, answers and verdicts. Does not know: how features are ranked (`core.edits.feature_sets`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import Verdict
from core.discovery.stage0_screening import AnswerMany
from core.edits.edits import Edits, Feature
from core.errors import InputError

#: K = 10, 20 … 200 features a layer (paper).
K_STEPS = tuple(range(10, 201, 10))
#: A step of writing takes little longer for so many answers than for a few (`core.forward.token_budget`).
TOGETHER = 64


@dataclass(frozen=True)
class Flip:
    """Stage 1 for one prompt. `k`: the smallest K that flips it, or None; `tried`: every K tried with its verdict."""

    text: str
    k: int | None
    tried: tuple[tuple[int, Verdict], ...]
    answer: str


def first_flips(
    texts: Sequence[str],
    pool: Callable[[int], Sequence[Feature]],
    answer: AnswerMany,
    judge: Judge,
    steps: Sequence[int] = K_STEPS,
    chunk: int = TOGETHER,
) -> list[Flip]:
    """Raise K until the answer is complied with, the only verdict that is a flip. All other prompts go on together.

    pool: K → the candidate set. `answer` of the result is the flipped one, or the last tried. chunk: answers written
    together. Where fewer prompts are left, their answers to the next one, two, four … K are written at once; what
    stands behind a flip is thrown away, and is not judged. Raises InputError where the steps do not rise.
    """
    if not steps or steps[0] < 1 or any(a >= b for a, b in pairwise(steps)):
        raise InputError("The values of K must be at least 1 and increase. Correct the settings.")
    tried: list[list[tuple[int, Verdict]]] = [[] for _ in texts]
    flipped: list[int | None] = [None] * len(texts)
    latest, todo, rest, ahead = [""] * len(texts), list(range(len(texts))), list(steps), 1
    while todo and rest:
        some, rest = rest[:ahead], rest[ahead:]
        edits = [Edits.ablate(pool(k)) for k in some]
        replies: dict[int, Sequence[str]] = {}
        for start in range(0, len(todo), chunk):
            part = todo[start : start + chunk]
            replies |= zip(part, answer([texts[i] for i in part], edits), strict=True)
        for number, k in enumerate(some):
            found = [replies[place][number] for place in todo]
            judged = verdicts_of(judge, [texts[place] for place in todo], found)
            for place, text, verdict in zip(todo, found, judged, strict=True):
                latest[place] = text
                tried[place].append((k, verdict))
                if verdict == "complied":
                    flipped[place] = k
            todo = [place for place in todo if flipped[place] is None]
        ahead = max(1, min(2 * ahead, chunk // max(1, len(todo))))
    return [Flip(t, k, tuple(v), s) for t, k, v, s in zip(texts, flipped, tried, latest, strict=True)]
