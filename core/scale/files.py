"""The files of a run that is carried out in shards, and what each of them says about itself.

    DIR/run.json                  what the run is: identity, prompts, settings, name
    DIR/phase-2/plan.json         the groups of a phase, in order
    DIR/phase-2/pruning-0007.parquet    one group's rows
    DIR/phase-2.parquet           all rows of a phase, joined and checked

Knows: names, headers, damage. Does not know: which groups there are, or who writes them. Every file is put in place
whole; files of rows carry the identity of their run and the digest of their plan, so one that was copied to the wrong
place is noticed. JSON files have digests of what they hold.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from core.discovery.ledger import Row
from core.errors import AssetError, InputError, StoreError
from core.kept_files import write_whole
from core.scale.identity import Identity, text_digest
from core.scale.rows import digest_of, from_table, to_table
from core.text.json_text import json_text, json_value

#: Changes when the layout of these files does.
FORMAT = 2
_KEY = b"hydrascope"
#: What reading a file that is damaged, or is none of these, can raise.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, pa.ArrowException)


class Plan(NamedTuple):
    """A phase's groups in order, step and items of each. before: digest of all rows of the phases before."""

    groups: list[tuple[str, list[str]]]
    before: str

    @property
    def digest(self) -> str:
        """16 hex digits; another where a group is missing, or where an earlier phase has other rows."""
        return text_digest(json_text([self.groups, self.before], ascii_only=False))


class Header(NamedTuple):
    """What a file says about itself. phase: from 1. before and plan: digests of the rows of the phases before, and of
    its phase's plan. step and number: its group; of a joined phase all its steps, and -1. shard: who wrote it, such as
    “3/16”. node: the machine's name."""

    identity: Identity
    phase: int
    before: str
    plan: str
    step: str
    number: int = -1
    shard: str = ""
    node: str = ""


class GroupFile(NamedTuple):
    """One file that was read."""

    path: Path
    header: Header
    rows: list[Row]


class RunFile(NamedTuple):
    """What `run.json` holds. inputs and settings: as JSON. record: what the store keeps of a run besides these."""

    identity: Identity
    inputs: str
    record: Mapping[str, Any]


class ShardFolder:
    """One run's folder. Phases are numbered from 1. Raises StoreError where something cannot be written."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def begin(self, run: RunFile) -> None:
        """Write down what the run is, or see that it is the one that is there. Raises AssetError for another run."""
        path = self.folder / "run.json"
        if path.exists():
            check_identity(path, self.run().identity, run.identity)
            return
        content = {"identity": asdict(run.identity), "inputs": run.inputs, "record": run.record}
        said = {"format": FORMAT, **content, "digest": _digest(content)}
        _write(path, json_text(said, ascii_only=False, indent=1) + "\n")

    def run(self) -> RunFile:
        """What the run is. Raises InputError where none was begun here, AssetError for a file that is damaged, was
        changed, or holds other prompts than the run's."""
        path = self.folder / "run.json"
        if not path.exists():
            raise InputError(
                f"{self.folder} holds no shards of a run. Begin one with `hydrascope discover --shard 1/4 --out "
                f"{self.folder}`."
            )

        def read(found: Any) -> RunFile:
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']}, and this version reads {FORMAT}")
            if found["digest"] != _digest({name: found[name] for name in ("identity", "inputs", "record")}):
                raise ValueError("it was changed after it was written")
            run = RunFile(Identity.from_values(found["identity"]), str(found["inputs"]), dict(found["record"]))
            if text_digest(run.inputs) != run.identity.prompts:
                raise ValueError("its prompts are not those of its run")
            return run

        return _read_json(path, read, "Restore it, or begin in another folder")

    def plan(self, phase: int) -> Plan | None:
        """A phase's groups; None where no shard has begun it. Raises AssetError for a file that is damaged or was
        changed."""
        path = self.plan_path(phase)

        def read(found: Any) -> Plan:
            plan = Plan([(str(step), [str(i) for i in items]) for step, items in found["groups"]], str(found["before"]))
            if found["digest"] != plan.digest:
                raise ValueError("its groups are not what was written")
            return plan

        again = "Delete it, and run any shard of this phase again: it writes the file anew"
        return _read_json(path, read, again) if path.exists() else None

    def keep_plan(self, phase: int, plan: Plan) -> None:
        """Write a phase's groups down, or see that they are those that are there. Raises AssetError for others."""
        known = self.plan(phase)
        if known is None:
            content = {**plan._asdict(), "digest": plan.digest}
            _write(self.plan_path(phase), json_text(content, ascii_only=False) + "\n")
        elif known != plan:
            raise AssetError(
                f"{self.plan_path(phase)} has other groups than this shard finds, so the shards did not begin with the "
                f"same rows. Delete the folder {self.phase_folder(phase)} and run all shards of this phase again."
            )

    def holds(self, identity: Identity, phase: int, plan: Plan, step: str, number: int) -> bool:
        """Whether the file of a group is there, and need not be written. One that this run wrote for another plan must
        be; what else is wrong with a file, merging says."""
        path = self.group_path(phase, step, number)
        if not path.exists():
            return False
        try:
            found = _header(pq.read_schema(path))
        except _UNREADABLE:
            return True
        return found.identity != identity or found.plan == plan.digest

    def plan_path(self, phase: int) -> Path:
        return self.phase_folder(phase) / "plan.json"

    def group_path(self, phase: int, step: str, number: int) -> Path:
        return self.phase_folder(phase) / f"{step}-{number:05d}.parquet"

    def group_paths(self, phase: int) -> list[Path]:
        """Every file of a group there is, by name; one that is still being written has another ending."""
        return sorted(self.phase_folder(phase).glob("*.parquet"))

    def write_group(self, header: Header, rows: Sequence[Row]) -> None:
        _write_rows(self.group_path(header.phase, header.step, header.number), header, rows)

    def joined_path(self, phase: int) -> Path:
        return self.folder / f"phase-{phase}.parquet"

    def write_joined(self, identity: Identity, phase: int, plan: Plan, steps: str, rows: Sequence[Row]) -> None:
        """steps: names of all its steps."""
        header = Header(identity, phase, plan.before, plan.digest, steps, node=platform.node())
        _write_rows(self.joined_path(phase), header, rows)

    def phase_folder(self, phase: int) -> Path:
        return self.folder / f"phase-{phase}"


def read_rows(path: Path) -> GroupFile:
    """One file of rows. Raises AssetError where it is none, or was cut off or changed on its way."""
    try:
        table = pq.read_table(path)
        rows = from_table(table)
        if _said(table.schema)["rows"] != digest_of(rows):
            raise ValueError("its rows are not what was written")
        return GroupFile(path, _header(table.schema), rows)
    except _UNREADABLE as error:
        raise AssetError(
            f"{path} cannot be read: it was cut off or damaged, or is no file of a shard. Delete it, and run its shard "
            "again."
        ) from error


def _said(schema: pa.Schema) -> dict[str, Any]:
    """What a file of rows says about itself. Raises one of `_UNREADABLE`."""
    found: dict[str, Any] = json_value((schema.metadata or {})[_KEY])
    if found["format"] != FORMAT:
        raise ValueError(f"its format is {found['format']}, and this version reads {FORMAT}")
    return found


def _header(schema: pa.Schema) -> Header:
    """The same as a value. Raises one of `_UNREADABLE`."""
    found = _said(schema)
    identity, phase, number = Identity.from_values(found["identity"]), int(found["phase"]), int(found["number"])
    before, plan, step, shard, node = (str(found[name]) for name in ("before", "plan", "step", "shard", "node"))
    return Header(identity, phase, before, plan, step, number, shard, node)


def check_identity(path: Path, found: Identity, wanted: Identity) -> None:
    """Raises AssetError where a file is of another run than this one."""
    if difference := wanted.difference(found):
        raise AssetError(
            f"{path} is of another run: it has {difference}. Use a folder of its own for each run, and the same "
            "options and program on every machine."
        )


def _write_rows(path: Path, header: Header, rows: Sequence[Row]) -> None:
    said = {"format": FORMAT, **header._asdict(), "identity": asdict(header.identity), "rows": digest_of(rows)}
    table = to_table(rows).replace_schema_metadata({_KEY: json_text(said, sort_keys=True).encode()})
    _write(path, lambda beside: pq.write_table(table, beside, compression="zstd"))


def _write(path: Path, content: str | Callable[[Path], object]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror or error}). Free some space there.") from error


def _digest(content: Mapping[str, Any]) -> str:
    """Of what a JSON file holds, however it is laid out."""
    return text_digest(json_text(content, sort_keys=True))


def _read_json(path: Path, read: Callable[[Any], Any], otherwise: str) -> Any:
    """otherwise: what to do about a file that cannot be read."""
    try:
        return read(json_value(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{path} cannot be read ({error}). {otherwise}.") from error
