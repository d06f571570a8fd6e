"""What a card says that no check is about, in words, so that nobody takes it for measured.

Knows: contents, and what a difference of judge, number format or SAEs leaves out. Does not know: how anything is
measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from core.card.compare import Tolerance
from core.card.contents import Card, FeatureFacts, JudgeUsed
from core.edits.edits import Feature
from core.labels.notes import Labels


def same_judge(card: JudgeUsed, here: JudgeUsed) -> bool:
    """Whether verdicts can be compared."""
    return (card.name, card.revision) == (here.name, here.revision)


def known_label(one: FeatureFacts, labels: Labels, altered: frozenset[int]) -> str | None:
    """The label that this feature has here; None where that of the card cannot be compared: it came from elsewhere.

    labels: those that come with the model or its SAEs. altered: layers whose SAE is another.
    """
    feature = Feature.parse(one.feature)
    if not one.label or feature.layer in altered:
        return None
    note = labels.note(feature)
    return note.label if note is not None and note.origin == one.origin else None


def left_out(
    card: Card, judge: JudgeUsed, labels: Labels, altered: frozenset[int], tolerance: Tolerance
) -> tuple[str, ...]:
    """Each a part of a sentence. judge, labels: here."""
    return tuple(_parts(card, judge, labels, altered, tolerance))


def _parts(
    card: Card, judge: JudgeUsed, labels: Labels, altered: frozenset[int], tolerance: Tolerance
) -> Iterator[str]:
    features = [one for case in card.cases for one in case.features]
    unknown = Counter(
        one.origin or "no origin" for one in features if one.label and known_label(one, labels, altered) is None
    )
    if unknown:
        told = ", ".join(f"{count} from “{origin}”" for origin, count in sorted(unknown.items()))
        yield f"labels that are not among those of the model here ({told})"
    if count := sum(one.role is not None or one.categories is not None for one in features):
        yield f"roles and categories (of {count}; they come from a reading of other prompts)"
    if (count := sum(one.how == "woken" for one in features)) and (altered or not tolerance.exact_text):
        yield f"whether the features that are named as woken are so ({count})"
    judged = sum(state.judgement is not None for case in card.cases for state in case.states)
    if judged and not (tolerance.exact_text and same_judge(card.source.judge, judge)):
        yield f"the reasons of verdicts ({judged})"
    if not same_judge(card.source.judge, judge):
        yield "how far the judge agrees with people"
    if any(case.controls for case in card.cases):
        yield "whether the controls were drawn at random"
    yield "when, where and by which command the card says it was made"
