"""A feature as Neuronpedia has it, made from its answer.

Knows: which of several explanations counts. Does not know: HTTP, or the shape of an answer (`core.schemas`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from core.labels.contexts import Context
from core.schemas.neuronpedia import Activation, Explanation, FeatureAnswer

#: Contexts of a feature that are kept, and tokens shown before and after the strongest one.
CONTEXTS, BEFORE, AFTER = 6, 12, 6
#: Characters of a label that are kept.
_MOST_LABEL = 2000


@dataclass(frozen=True)
class Explained:
    """One feature as Neuronpedia has it.

    label: its best scored explanation, else its first; empty without one. explained_by, kind: the model and the method
    of that explanation. density: share of Neuronpedia's own sample tokens it is active on; max_activation: its highest
    there, in SAELens units; both None where only the bulk file was read. positive, negative: tokens whose logits its
    decoder row raises and lowers, strongest first.
    """

    source: str
    index: int
    label: str
    explained_by: str = ""
    kind: str = ""
    density: float | None = None
    max_activation: float | None = None
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    contexts: tuple[Context, ...] = ()


def explained(found: FeatureAnswer, source: str, index: int) -> Explained:
    """From the site's answer. Raises ValueError where it is about another feature."""
    if found.index != index:
        raise ValueError(f"it is about feature {found.index}")
    if other := found.about(source):
        raise ValueError(f"it is about {other:.80}")
    told = [one for one in found.explanations or () if (one.description or "").strip()]
    best = max(told, key=_score, default=Explanation())  # the first of equals
    return Explained(
        source=source,
        index=index,
        label=label_of(best),
        explained_by=best.explanationModelName or "",
        kind=best.typeName or "",
        density=found.frac_nonzero,
        max_activation=found.maxActApprox,
        positive=tuple(map(_text, found.pos_str or ())),
        negative=tuple(map(_text, found.neg_str or ())),
        contexts=tuple(_contexts(found.activations or ())),
    )


def _score(explanation: Explanation) -> float:
    """The highest score anybody gave it; an explanation without scores comes after those with one."""
    return max((one.value for one in explanation.scores or () if one.value is not None), default=float("-inf"))


def label_of(explanation: Explanation) -> str:
    """An explanation in one line."""
    return " ".join((explanation.description or "").split())[:_MOST_LABEL]


def _contexts(activations: Sequence[Activation]) -> Iterator[Context]:
    """The strongest places, each once: the same text may have been sampled several times."""
    seen: set[tuple[str, str]] = set()
    for one in sorted(activations, key=lambda one: -one.maxValue):
        tokens, peak = [_text(token) for token in one.tokens], one.maxValueTokenIndex
        before, after = tokens[max(0, peak - BEFORE) : peak], tokens[peak + 1 : peak + 1 + AFTER]
        context = Context("".join(before), tokens[peak], "".join(after), one.maxValue)
        if (context.before, context.token) not in seen and len(seen) < CONTEXTS:
            seen.add((context.before, context.token))
            yield context


def _text(token: str) -> str:
    """Vocabulary entries are shown as they are spelt in the tokenizer's file: ▁ and Ġ stand for a space."""
    return token.replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")
