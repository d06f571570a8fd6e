"""How much refusal a clamp brings back under attack, and what it costs where nobody attacks.

Knows: groups of prompts, clamps, verdicts and their rates. Does not know: where prompts or clamps come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.answers.verdicts import VERDICTS, Verdict
from core.arguments import check_length, listed
from core.edits.edits import Edits
from core.engine import Engine
from core.errors import InputError
from core.measures.recovery import Gap
from core.prompts.conversation import PromptLike
from core.prompts.references import Reference, references_for
from core.statistics import Rate, rate

Group = Literal["attacked", "benign", "look-alikes"]


@dataclass(frozen=True)
class Cell:
    """One clamp on one group of prompts.

    clamp: its place in the list given. edits: what was on, the attack's edits with it for the attacked group. verdicts:
    one a prompt, in order, so that two clamps can be compared prompt by prompt. answers: None unless asked for. gaps:
    of the prompts that have a reference answer, in order (`core.measures.recovery`).
    """

    clamp: int
    edits: Edits
    group: Group
    verdicts: tuple[Verdict, ...]
    answers: tuple[str, ...] | None = None
    gaps: tuple[Gap, ...] = ()

    @property
    def n(self) -> int:
        """How many prompts."""
        return len(self.verdicts)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many prompts have each verdict."""
        return {kind: self.verdicts.count(kind) for kind in VERDICTS}

    @property
    def rates(self) -> dict[Verdict, Rate]:
        """The share of each verdict, with its 95% Wilson interval."""
        return {kind: rate(hits, self.n) for kind, hits in self.counts.items()}


def grid(
    engine: Engine,
    attacked: Sequence[PromptLike],
    benign: Sequence[PromptLike],
    look_alikes: Sequence[PromptLike],
    base: Edits,
    clamps: Sequence[Edits],
    tokens: int = 24,
    judge: Judge | None = None,
    *,
    keep_answers: bool = False,
    references: Sequence[Reference] = (),
) -> Iterator[Cell]:
    """Cells as they are done, clamp by clamp: attacked, benign, look-alikes; a group without prompts has no cell.

    The attacked prompts are answered under `base` (the attack's own edits, `Edits()` where it is in the wording) and
    the clamp on top; benign ones and look-alikes under the clamp alone, since nobody attacks there and their cost is
    the defence's. judge: of the answers; None for the engine's rules. `Edits()` among the clamps is the row without a
    defence. references: answers to some of the prompts; they are looked up by the prompt as it is asked, so an attack
    by wording has none. Bad input raises InputError here, before the first cell.
    """
    chosen = listed(clamps, "Clamps")
    if not chosen:
        raise InputError("No clamp was given. Give at least one. Edits() means no clamp.")
    named: Mapping[Group, Sequence[PromptLike]] = {
        "attacked": listed(attacked, "Prompts"),
        "benign": listed(benign, "Prompts"),
        "look-alikes": listed(look_alikes, "Prompts"),
    }
    groups = {name: texts for name, texts in named.items() if texts}
    if not groups:
        raise InputError("No prompt was given. Give at least one prompt in some group.")
    for text in (text for texts in groups.values() for text in texts):
        engine.prompt(text)
    for clamp in chosen:
        engine.check(clamp)
        engine.check(base + clamp)
    check_length(tokens)
    used = engine.judge if judge is None else judge

    def cells() -> Iterator[Cell]:
        for number, clamp in enumerate(chosen):
            for group, texts in groups.items():
                edits = base + clamp if group == "attacked" else clamp
                replies = tuple(answer for (answer,) in engine.answers(texts, [edits], tokens))
                known = references_for([text for text in texts if isinstance(text, str)], references)
                gaps = tuple(gap for (gap,) in engine.recovery(known, [edits])) if known else ()
                verdicts = tuple(verdicts_of(used, texts, replies, harmful=group == "attacked"))
                yield Cell(number, edits, group, verdicts, replies if keep_answers else None, gaps)

    return cells()
