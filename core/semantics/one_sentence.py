"""A label in one sentence, written by a chat model from what is known of a feature, and scored as any other label.

Knows: how a feature's contexts and promoted tokens become a request, and what of the answer is a label. Does not know:
where notes come from, how a label is scored. Contexts are quoted line by line: what others wrote can sway the model
that reads it, so a written label is worth what its score says and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from core.answers.refusals import find_refusal
from core.edits.edits import Edits, Feature
from core.engine import Engine
from core.errors import InputError
from core.labels.notes import FeatureNote
from core.labels.wording import in_context
from core.progress import NEVER, QUIET, Progress
from core.semantics.label_score import LabelScore

#: Contexts that a request quotes, letters of each before and after the token, and letters of a label that are kept.
CONTEXTS, AROUND, MOST_LETTERS = 6, (90, 40), 200
#: The longest answer, in tokens, and features asked about in one batch.
TOKENS, TOGETHER = 40, 8
#: What the model is asked. A label says what the marked words have in common; nothing is said of refusal.
REQUEST = (
    "One part of a language model becomes active on the words marked with ⟦ ⟧ in these texts:\n\n{contexts}\n\n"
    "{promoted}What do the marked words have in common? Answer with one short sentence and nothing else."
)


class Written(NamedTuple):
    """by: the model that wrote them. labels: without features it was told nothing of, or whose request it refused.

    scores: of those that can be scored, beside the other sentences on the same feature.
    """

    by: str
    labels: Mapping[Feature, str]
    scores: Mapping[Feature, LabelScore]


def request(note: FeatureNote, most: int = CONTEXTS) -> str:
    """What the model is asked about one feature, with at most so many contexts; empty where none is known."""
    contexts = [in_context(one, *AROUND) for one in note.contexts[:most]]
    if not contexts:
        return ""
    promoted = f"It makes these next words likelier: {note.promoted}.\n\n" if note.promoted else ""
    return REQUEST.format(contexts="\n".join(f"- {one}" for one in contexts), promoted=promoted)


def label_in(answer: str) -> str:
    """The label in an answer: its first line, in quotation marks or not; empty for a refusal or for nothing."""
    lines = [line.strip(" \t*#->") for line in answer.splitlines()]
    first = next(filter(None, lines), "")
    if len(first) > 1 and first[0] in "\"“'" and first[-1] in "\"”'":
        first = first[1:-1]
    return "" if find_refusal(first) else " ".join(first.split())[:MOST_LETTERS].strip()


def write_sentences(
    writer: Engine,
    features: Sequence[Feature],
    note_of: Callable[[Feature], FeatureNote | None],
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> dict[Feature, str] | None:
    """feature → its sentence, greedy. None where it was cancelled. Raises InputError where the model has no template.

    Without features of which no context is known, and those whose request the model refuses.
    """
    if not getattr(writer.tokenizer, "chat_template", None):
        raise InputError(f"“{writer.spec.name}” has no chat template, so it cannot write labels. Choose a chat model.")
    notes = {feature: note_of(feature) for feature in features}
    asked = {feature: text for feature, note in notes.items() if note is not None and (text := _fitting(writer, note))}
    found: dict[Feature, str] = {}
    every = list(asked)
    for start in range(0, len(every), TOGETHER):
        if cancelled():
            return None
        progress(f"Writing labels with {writer.spec.name}", start / len(every))
        some = every[start : start + TOGETHER]
        answers = writer.answers([asked[feature] for feature in some], [Edits()], TOKENS)
        found |= {f: label for f, (answer,) in zip(some, answers, strict=True) if (label := label_in(answer))}
    return found


def _fitting(writer: Engine, note: FeatureNote) -> str:
    """The request with as many contexts as the writer's own context has room for. Raises InputError if not even one."""
    for most in range(CONTEXTS, 1, -1):
        text = request(note, most)
        try:
            room = not text or len(writer.prompt(text)) + TOKENS <= writer.context_length
        except InputError:  # too long even without an answer
            room = False
        if room:
            return text
    return request(note, 1)
