"""The file of a joined phase: whether it is this phase of this run, whole, and follows from the phases before it.

Knows: a phase's steps, its plan, headers. Does not know: how groups are joined (`merge.py`), or how files are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.discovery.groups import MEMORY, Step
from core.discovery.ledger import Row
from core.errors import AssetError
from core.scale.files import Plan, ShardFolder, check_identity, read_rows
from core.scale.identity import Identity


def steps_text(phase: Sequence[Step]) -> str:
    """What the file of a joined phase names as its steps."""
    return ", ".join(step.name for step in phase)


def read_joined(
    folder: ShardFolder, number: int, phase: Sequence[Step], run: Identity, before: str, plan: Plan | None
) -> list[Row]:
    """The rows of a joined phase. before: digest of the rows of the phases before it. plan: its groups, None where they
    are not known any more.

    Raises AssetError for a file that is damaged, of another run or phase, or was computed from other rows.
    """
    found = read_rows(folder.joined_path(number))
    path, header, steps = found.path, found.header, steps_text(phase)
    check_identity(path, header.identity, run)
    if (header.phase, header.step, header.number) != (number, steps, -1):
        group = "" if header.number == -1 else f"group {header.number} of "
        raise AssetError(
            f"{path} holds {group}phase {header.phase} ({header.step}), not phase {number} ({steps}). Delete it, run "
            "all shards again (what is there is not computed twice), and merge."
        )
    if header.before != before:
        raise other_rows(folder, number)
    if {row.stage for row in found.rows} - {MEMORY, *(step.name for step in phase)} or (
        plan is not None and (header.plan != plan.digest or not _as_planned(found.rows, plan))
    ):
        raise AssetError(
            f"{path} does not hold the groups of its phase ({folder.plan_path(number)}). Delete it, run all shards "
            "again (what is there is not computed twice), and merge."
        )
    return found.rows


def other_rows(folder: ShardFolder, number: int) -> AssetError:
    """The sentence for a phase that was computed before an earlier one was computed again."""
    return AssetError(
        f"Phase {number} in {folder.folder} was computed from other rows of the phases before it than are there now. "
        f"Delete {folder.joined_path(number).name} and the folder {folder.phase_folder(number).name} in it, and run "
        "all shards of this phase again."
    )


def _as_planned(rows: Sequence[Row], plan: Plan) -> bool:
    """Whether there is a row for every item of the plan, and no other, in its order."""
    wanted: dict[str, list[str]] = {}
    for step, items in plan.groups:
        wanted.setdefault(step, []).extend(items)
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.stage != MEMORY:
            found.setdefault(row.stage, []).append(row.item)
    return found == wanted
