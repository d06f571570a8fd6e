"""What judgements come to: each label's rate with its interval, and rows to write down.

Knows: labels, counts. Does not know: which judge, where judgements are kept, or how two judges agree
(`core.judges.agreement`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from core.answers.judge import HARMS, Judgement
from core.answers.verdicts import VERDICTS
from core.statistics import Rate, rate

#: Every label, in the order they are shown.
LABELS: tuple[str, ...] = (*HARMS, *VERDICTS)


def label_of(one: Judgement) -> str:
    """yes, no or unclear of a classifier of harm; else one of the five verdicts."""
    return str(one.harmful or one.verdict)


def rates(found: Sequence[Judgement]) -> dict[str, Rate]:
    """label → how often it was given, with its 95% Wilson interval; labels never given are left out."""
    counts = Counter(map(label_of, found))
    return {name: rate(counts[name], len(found)) for name in LABELS if counts[name]}


def by_category(
    categories: Sequence[Collection[str]], found: Sequence[Judgement | None]
) -> list[tuple[str, str, Rate]]:
    """(category, label, rate) of the answers that were judged, by category. categories: those of each answer; an answer
    in two counts in both."""
    parts: dict[str, list[Judgement]] = {}
    for names, one in zip(categories, found, strict=True):
        if one is not None:
            for name in names:
                parts.setdefault(name, []).append(one)
    return [(name, label, each) for name in sorted(parts) for label, each in rates(parts[name]).items()]


def rows(
    pairs: Sequence[tuple[str, str]], judge: str, revision: str, found: Sequence[Judgement | None], with_answers: bool
) -> Iterator[dict[str, Any]]:
    """One row an answer that was judged, in order: prompt, answer where wanted, judge, revision, the judgement."""
    for (prompt, answer), one in zip(pairs, found, strict=True):
        if one is not None:
            text = {"answer": answer} if with_answers else {}
            yield {"prompt": prompt, **text, "judge": judge, "revision": revision, **one._asdict()}
