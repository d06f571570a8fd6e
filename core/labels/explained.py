"""A feature as Neuronpedia has it, read from its JSON: every field is what it should be, or it is a ValueError.

Knows: the field names of its answers. Does not know: HTTP.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.labels.notes import Context

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


def feature_of(found: dict[str, Any], source: str, index: int) -> Explained:
    """From the site's JSON. What is missing is empty; what has the wrong shape raises ValueError or its like."""
    if int(found["index"]) != index:
        raise ValueError(f"it is about feature {found['index']}")
    explanations = [one for one in found.get("explanations") or [] if str(one.get("description") or "").strip()]
    best: dict[str, Any] = max(explanations, key=_score, default={})  # the first of equals
    return Explained(
        source=source,
        index=index,
        label=label_of(best.get("description")),
        explained_by=str(best.get("explanationModelName") or ""),
        kind=str(best.get("typeName") or ""),
        density=_number(found.get("frac_nonzero")),
        max_activation=_number(found.get("maxActApprox")),
        positive=tuple(_text(token) for token in found.get("pos_str") or []),
        negative=tuple(_text(token) for token in found.get("neg_str") or []),
        contexts=tuple(_contexts(found.get("activations") or [])),
    )


def _score(explanation: dict[str, Any]) -> float:
    """The highest score anybody gave it; an explanation without scores comes after those with one."""
    values = [_number(score.get("value")) for score in explanation.get("scores") or []]
    return max((value for value in values if value is not None), default=float("-inf"))


def _number(value: object) -> float | None:
    """Raises ValueError for what is no number, or not a finite one."""
    found = None if value is None else float(str(value))
    if found is not None and not math.isfinite(found):
        raise ValueError(f"{value!s:.20} is no number")
    return found


def label_of(text: object) -> str:
    """An explanation in one line. Raises ValueError for what is no text."""
    if text is not None and not isinstance(text, str):
        raise ValueError("an explanation is not text")
    return " ".join((text or "").split())[:_MOST_LABEL]


def _contexts(activations: list[dict[str, Any]]) -> Iterator[Context]:
    """The strongest places, each once: the same text may have been sampled several times."""
    seen: set[tuple[str, str]] = set()
    for one in sorted(activations, key=lambda one: -float(one["maxValue"])):
        tokens, peak = [_text(token) for token in one["tokens"]], int(one["maxValueTokenIndex"])
        before, after = tokens[max(0, peak - BEFORE) : peak], tokens[peak + 1 : peak + 1 + AFTER]
        context = Context("".join(before), tokens[peak], "".join(after), float(one["maxValue"]))
        if (context.before, context.token) not in seen and len(seen) < CONTEXTS:
            seen.add((context.before, context.token))
            yield context


def _text(token: object) -> str:
    """Vocabulary entries are shown as they are spelt in the tokenizer's file: ▁ and Ġ stand for a space."""
    return str(token).replace("▁", " ").replace("Ġ", " ").replace("Ċ", "\n")
