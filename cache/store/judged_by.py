"""Which judge gave the verdicts of a run or an evaluation, and how far it agrees with people, as stored beside them.

Knows: judges by name, columns that runs and evaluations share. Does not know: tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from core import Engine
from core.answers.fitted import with_people
from core.answers.judge import Judge
from core.answers.names import SUBSTRINGS_0_1
from core.answers.rule_judges import before_digests
from core.answers.version_0_1 import REVISION as REVISION_0_1
from core.errors import InputError
from core.judges.catalogue import find_judge
from core.judges.names import USUAL

#: What version 0.1 stored as the judge of everything.
_OF_0_1 = "substrings of Arditi et al. 2024 with a test for degenerate text"
#: Columns, in order.
COLUMNS = "judge, judge_revision, kappa, kappa_n"


class JudgedBy(NamedTuple):
    """kappa: Cohen's κ with people's labels on kappa_n answers; both None where that was not measured."""

    name: str
    revision: str
    kappa: float | None
    kappa_n: int | None

    def __str__(self) -> str:
        return f"{self.name} ({self.revision}); {self.agreement}"

    @property
    def agreement(self) -> str:
        """What must stand beside every rate."""
        if self.kappa is None:
            return "this judge was not compared with people"
        return f"this judge agrees with people: κ {self.kappa:.2f} (n = {self.kappa_n})"


def judged_by(judge: Judge) -> JudgedBy:
    """To be stored. Raises what asking a judge for its revision raises."""
    found = with_people(judge.name, judge.revision)
    if found is None:
        return JudgedBy(judge.name, judge.revision, None, None)
    return JudgedBy(judge.name, judge.revision, found.kappa, found.n)


def read(row: Sequence[Any]) -> JudgedBy:
    """From the values of `COLUMNS`; of a row of version 0.1, that version's rule with what is known of it now."""
    name, revision, kappa, n = row
    if name == _OF_0_1:
        found = with_people(SUBSTRINGS_0_1)
        assert found is not None
        return JudgedBy(SUBSTRINGS_0_1, REVISION_0_1, found.kappa, found.n)
    return JudgedBy(str(name), str(revision), kappa, n)


def usual_judge(engine: Engine, name: str = "") -> Judge:
    """The judge of that name, or the usual one, for answers of this engine. Raises InputError."""
    return find_judge(name or USUAL, engine=engine)


def same_judge(what: str, stored: JudgedBy, engine: Engine) -> Judge:
    """The judge that began something, to go on with. what: opens the sentence. Raises InputError where it judges
    otherwise by now. What an earlier version stored named no weights, so these cannot be compared."""
    judge = find_judge(stored.name, engine=engine)
    if stored.revision not in (judge.revision, before_digests(judge.revision)):
        raise InputError(
            f"{what} was judged by “{stored.name}” in revision {stored.revision}, and this program has "
            f"{judge.revision}, so it cannot continue. Start a new one."
        )
    return judge
