"""How much of an answer must be seen before its verdict holds: verdicts at several lengths of the same answers.

Knows: prompts of a run, answers cut at a number of tokens, the run's judge. Does not know: tables. A greedy answer's
first tokens are the shorter answer, so each is generated once, at the longest length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.answers.generate import answers_at
from core.answers.rule_judges import verdicts_of
from core.discovery.context import WIDE_GROUP, Work, chunks
from core.edits.edits import Edits

#: What the answers are given under: refusals and the answers that come in their place are of different lengths.
CONDITIONS = ("unedited", "refusal direction ablated")


def length_groups(work: Work) -> list[list[str]]:
    """The first of the prompts that Stage 0 kept, as many as the settings say."""
    return chunks(work.kept("harmful")[: work.settings.length_prompts], WIDE_GROUP)


def do_lengths(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Condition → length in tokens → verdict."""
    texts, lengths = [work.text(item) for item in group], work.settings.lengths
    sets = [Edits(), Edits.ablate_direction(work.engine.direction())]
    made = [work.engine.prompt(text) for text in texts]
    found: list[dict[str, Any]] = [{name: {} for name in CONDITIONS} for _ in group]
    answers = answers_at(work.engine.runtime, made, sets, lengths)
    for column, name in enumerate(CONDITIONS):
        for place, length in enumerate(lengths):
            said = [row[column][place] for row in answers]
            for value, verdict in zip(found, verdicts_of(work.judge, texts, said), strict=True):
                value[name][str(length)] = verdict
    return found
