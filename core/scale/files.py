"""The files of a run that is carried out in shards, and what each of them says about itself.

    DIR/run.json                  what the run is: identity, prompts, settings, name
    DIR/phase-2/plan.json         the groups of a phase, in order
    DIR/phase-2/pruning-0007.parquet    one group's rows
    DIR/phase-2.parquet           all rows of a phase, joined and checked

Knows: names, headers, damage. Does not know: which groups there are, or who writes them. Every file is put in place
whole and carries the identity of its run, so one that was copied to the wrong place is noticed.
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
from core.scale.identity import Identity
from core.scale.rows import digest_of, from_table, to_table
from core.text.json_text import json_text, json_value

#: Changes when the layout of these files does.
FORMAT = 1
_KEY = b"hydrascope"


class Header(NamedTuple):
    """What a file says about itself. step and number: its group; of a joined phase "" and -1. shard: who wrote it,
    such as “3/16”. node: the machine's name."""

    identity: Identity
    step: str = ""
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


#: A phase's groups in order: step and items of each.
Plan = list[tuple[str, list[str]]]


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
        content = {"format": FORMAT, "identity": asdict(run.identity), "inputs": run.inputs, "record": run.record}
        _write(path, json_text(content, ascii_only=False, indent=1) + "\n")

    def run(self) -> RunFile:
        """What the run is. Raises InputError where none was begun here, AssetError for a damaged file."""
        path = self.folder / "run.json"
        if not path.exists():
            raise InputError(
                f"{self.folder} holds no shards of a run. Begin one with `hydrascope discover --shard 1/4 --out "
                f"{self.folder}`."
            )

        def read(found: Any) -> RunFile:
            if found["format"] != FORMAT:
                raise ValueError(f"its format is {found['format']}, and this version reads {FORMAT}")
            return RunFile(Identity.from_values(found["identity"]), str(found["inputs"]), dict(found["record"]))

        return _read_json(path, read)

    def plan(self, phase: int) -> Plan | None:
        """A phase's groups; None where no shard has begun it. Raises AssetError for a damaged file."""
        path = self._of(phase) / "plan.json"
        if not path.exists():
            return None
        return _read_json(path, lambda found: [(str(step), [str(i) for i in items]) for step, items in found])

    def keep_plan(self, phase: int, plan: Plan) -> None:
        """Write a phase's groups down, or see that they are those that are there. Raises AssetError for others."""
        known = self.plan(phase)
        if known is None:
            _write(self._of(phase) / "plan.json", json_text(plan, ascii_only=False) + "\n")
        elif known != plan:
            raise AssetError(
                f"{self._of(phase) / 'plan.json'} has other groups than this shard finds, so the shards did not begin "
                f"with the same rows. Delete the folder {self._of(phase)} and run all shards of this phase again."
            )

    def group_path(self, phase: int, step: str, number: int) -> Path:
        return self._of(phase) / f"{step}-{number:05d}.parquet"

    def group_paths(self, phase: int) -> list[Path]:
        """Every file of a group there is, by name; one that is still being written has another ending."""
        return sorted(self._of(phase).glob("*.parquet"))

    def write_group(self, phase: int, header: Header, rows: Sequence[Row]) -> None:
        _write_rows(self.group_path(phase, header.step, header.number), header, rows)

    def joined_path(self, phase: int) -> Path:
        return self.folder / f"phase-{phase}.parquet"

    def write_joined(self, phase: int, identity: Identity, rows: Sequence[Row]) -> None:
        _write_rows(self.joined_path(phase), Header(identity, node=platform.node()), rows)

    def _of(self, phase: int) -> Path:
        return self.folder / f"phase-{phase}"


def read_rows(path: Path) -> GroupFile:
    """One file of rows. Raises AssetError where it is none, or was cut off or changed on its way."""
    try:
        table = pq.read_table(path)
        found = json_value((table.schema.metadata or {})[_KEY])
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']}, and this version reads {FORMAT}")
        identity = Identity.from_values(found["identity"])
        rest = (str(found["step"]), int(found["number"]), str(found["shard"]), str(found["node"]))
        rows = from_table(table)
        if found["rows"] != digest_of(rows):
            raise ValueError("its rows are not what was written")
        return GroupFile(path, Header(identity, *rest), rows)
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        raise AssetError(
            f"{path} cannot be read: it was cut off or damaged, or is no file of a shard. Delete it, and run its shard "
            "again."
        ) from error


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


def _read_json(path: Path, read: Callable[[Any], Any]) -> Any:
    try:
        return read(json_value(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AssetError(f"{path} cannot be read ({error}). Restore it, or begin in another folder.") from error
