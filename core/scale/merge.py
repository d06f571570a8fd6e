"""The shards of a run joined, phase by phase: every group there once, whole, and of this run.

Knows: which groups a phase must have (its plan). Does not know: models; nothing here loads one. What is wrong is said
with the name of the file, or of the shard that must run again.
"""

from __future__ import annotations

from typing import NamedTuple

from core.discovery.ledger import MemoryLedger, Row
from core.discovery.runner import phases_of
from core.discovery.settings import Settings
from core.errors import AssetError, InputError
from core.scale.files import GroupFile, Plan, RunFile, ShardFolder, check_identity, read_rows
from core.scale.joined import other_rows, read_joined, steps_text
from core.scale.rows import digest_of
from core.scale.shard import title_of

#: Groups that are missing and named in one sentence, at most.
_NAMED = 5


class Merged(NamedTuple):
    """phases: how many a run of these settings has; done: joined now or before. next: what the next one is called,
    empty when all are done. rows: of all joined phases."""

    run: RunFile
    settings: Settings
    done: int
    phases: int
    next: str
    rows: MemoryLedger


def merge(folder: ShardFolder) -> Merged:
    """Join every phase whose groups are all there. Raises InputError for a folder without shards, AssetError for a
    group that is missing, doubled, damaged or of another run, StoreError where a file cannot be written.

    A phase that no shard has begun is no error: it is what must be run next.
    """
    run = folder.run()
    settings = Settings.from_json(run.identity.settings)
    phases, rows = phases_of(settings), list[Row]()
    for number, phase in enumerate(phases, 1):
        plan, before = folder.plan(number), digest_of(rows)
        if folder.joined_path(number).exists():
            rows += read_joined(folder, number, phase, run.identity, before, plan)
            continue
        if plan is None:
            if number == 1:
                raise InputError(f"No shard has written a group to {folder.folder} yet. Run the shards first.")
            return Merged(run, settings, number - 1, len(phases), title_of(phase), MemoryLedger(rows))
        if plan.before != before:
            raise other_rows(folder, number)
        fresh = _joined(folder, number, plan, run)
        folder.write_joined(run.identity, number, plan, steps_text(phase), fresh)
        rows += fresh
    return Merged(run, settings, len(phases), len(phases), "", MemoryLedger(rows))


def _joined(folder: ShardFolder, phase: int, plan: Plan, run: RunFile) -> list[Row]:
    """A phase's rows in the order of an unsharded run. Raises AssetError."""
    wanted = _keyed(plan)
    found: dict[tuple[str, int], GroupFile] = {}
    for path in folder.group_paths(phase):
        one = read_rows(path)
        check_identity(path, one.header.identity, run.identity)
        key = (one.header.step, one.header.number)
        if key in found:
            raise AssetError(f"{found[key].path} and {path} hold the same group. Delete one of them.")
        if one.header.plan != plan.digest:
            raise AssetError(
                f"{path} was written for other groups than {folder.plan_path(phase)} names. Delete plan.json and run "
                "all shards of this phase again: what fits is not computed twice."
            )
        if key not in wanted:
            raise AssetError(f"{path} holds a group that this phase does not have. Delete it.")
        if [row.item for row in one.rows if row.stage == key[0]] != wanted[key]:
            raise AssetError(f"{path} does not hold the prompts of its group. Delete it, and run its shard again.")
        found[key] = one
    if len(found) < len(wanted):
        raise AssetError(_missing(folder, phase, list(wanted), found))
    return [row for key in wanted for row in found[key].rows]


def _keyed(plan: Plan) -> dict[tuple[str, int], list[str]]:
    """(step, number) → items, in order."""
    found: dict[tuple[str, int], list[str]] = {}
    counted: dict[str, int] = {}
    for step, items in plan.groups:
        number = counted.get(step, 0)
        found[step, number], counted[step] = items, number + 1
    return found


def _missing(
    folder: ShardFolder, phase: int, wanted: list[tuple[str, int]], found: dict[tuple[str, int], GroupFile]
) -> str:
    """The sentence: which files are missing, and whose they are where that is known."""
    lacking = [place for place, key in enumerate(wanted) if key not in found]
    names = [folder.group_path(phase, *wanted[place]).name for place in lacking[:_NAMED]]
    more = f" and {len(lacking) - _NAMED:,} more" if len(lacking) > _NAMED else ""
    counts = {one.header.shard.partition("/")[2] for one in found.values()}
    if len(counts) == 1 and (of := int(counts.pop() or 0)):
        shards = sorted({place % of + 1 for place in lacking})
        whose = f"Run again: shard {', '.join(f'{n}/{of}' for n in shards)}."
    else:
        whose = "Run all shards again; what is there is not computed twice."
    return (
        f"Phase {phase} in {folder.folder} is not complete: {len(lacking):,} of {len(wanted):,} groups are missing "
        f"({', '.join(names)}{more}). {whose}"
    )
