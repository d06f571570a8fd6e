"""One shard of a run: its groups of the phase that is next, each written as a file.

Knows: which groups are a shard's own. Does not know: files' insides (`files.py`), or how they are joined (`merge.py`).
Group n of a phase belongs to shard n modulo the number of shards, whatever the run; the groups themselves never depend
on how many shards there are. So the number of shards may change from one phase to the next.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from typing import NamedTuple

from core.discovery.context import Work
from core.discovery.groups import Step, carry_out
from core.discovery.ledger import Row
from core.discovery.runner import groups_of, phases_of
from core.errors import InputError
from core.progress import QUIET, Progress
from core.scale.files import Header, Plan, RunFile, ShardFolder
from core.scale.joined import read_joined
from core.scale.rows import digest_of


class Shard(NamedTuple):
    """number: from 1 to `of`."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def owns(self, place: int) -> bool:
        """Whether the group at this place of a phase is this shard's."""
        return place % self.of == self.number - 1


class Done(NamedTuple):
    """What a call did. phase: the number of the phase, from 1; 0 where every phase is joined already. own: the shard's
    groups in it, fresh: those that were carried out now."""

    phase: int
    phases: int
    title: str
    own: int
    fresh: int


def parse_shard(text: str) -> Shard:
    """“3/16”. Raises InputError."""
    found = re.fullmatch(r"\s*(\d{1,6})\s*/\s*(\d{1,6})\s*", text)
    shard = Shard(int(found[1]), int(found[2])) if found else None
    if shard is None or not 1 <= shard.number <= shard.of:
        raise InputError(f"“{text:.40}” is no shard. Write its number and how many there are, such as 3/16.")
    return shard


def carry_out_shard(
    work: Work,
    folder: ShardFolder,
    run: RunFile,
    shard: Shard,
    progress: Progress = QUIET,
    checkpoint: Callable[[], None] = lambda: None,
) -> Done:
    """Do this shard's part of the first phase that is not joined yet; called again, it does what is left of it.

    work: with an empty ledger, which is filled with the rows of the phases before. Raises AssetError for files of
    another run or damaged ones, StoreError where a file cannot be written.
    """
    folder.begin(run)
    phases, rows = phases_of(work.settings), list[Row]()
    for number, phase in enumerate(phases, 1):
        groups, before = groups_of(work, phase), digest_of(rows)
        plan = Plan([(group.step.name, list(group.items)) for group in groups], before)
        if folder.joined_path(number).exists():
            found = read_joined(folder, number, phase, run.identity, before, plan)
            work.ledger.append(found)
            rows += found
            continue
        folder.keep_plan(number, plan)
        own = [group for place, group in enumerate(groups) if shard.owns(place)]
        missing = [one for one in own if not folder.holds(run.identity, number, plan, one.step.name, one.number)]
        for done, group in enumerate(missing):
            checkpoint()
            progress(f"{group.step.title}: group {done + 1} of {len(missing)}", done / len(missing))
            says = (run.identity, number, before, plan.digest, group.step.name, group.number)
            folder.write_group(Header(*says, str(shard), platform.node()), carry_out(work, group.step, group.items))
        return Done(number, len(phases), title_of(phase), len(own), len(missing))
    return Done(0, len(phases), "", 0, 0)


def title_of(phase: list[Step]) -> str:
    """What a phase is called in a sentence: its first step."""
    return phase[0].title
