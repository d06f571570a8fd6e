"""The shards of `hydrascope discover`: one of them carried out, and all of them merged.

Knows: folders, sentences about what is to be run next, the store. Does not know: what a group computes.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from core.commands.exit_codes import ExitCode
from core.commands.outputs import write_tables
from core.commands.storage import store_or_ending
from core.commands.terminal import note, progress_bar
from core.errors import InputError
from core.text.figures import counted

if TYPE_CHECKING:
    from cache.store.runs import Runs
    from core.discovery.context import Inputs
    from core.discovery.settings import Settings
    from core.engine import Engine
    from core.scale.merge import Merged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--shard, and the action `merge`."""
    parser.add_argument(
        "--shard",
        metavar="N/M",
        help="carry out shard N of M of the phase that is next, and write its groups to the folder --out; see "
        "docs/scale.md",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", title="without an action, runs the search")
    merging = actions.add_parser(
        "merge", help="join the shards in a folder; once all phases are there, write the tables"
    )
    merging.add_argument("folder", metavar="DIR", type=Path)


def run_shard(engine: Engine, inputs: Inputs, settings: Settings, options: argparse.Namespace) -> int:
    """Carry out one shard's part of the next phase. Raises InputError, AssetError, StoreError."""
    from cache.store.judged_by import usual_judge
    from cache.store.new_run import new_run
    from core.discovery.context import Work
    from core.discovery.ledger import MemoryLedger
    from core.scale.files import RunFile, ShardFolder
    from core.scale.identity import identity_of
    from core.scale.shard import carry_out_shard, parse_shard

    for name in ("resume", "repeat"):
        if getattr(options, name):
            raise InputError(f"--shard begins and resumes a run by its folder. Leave out --{name}.")
    if options.out is None:
        raise InputError("A shard needs the folder that all shards share. Add --out DIR.")
    shard, folder = parse_shard(options.shard), ShardFolder(options.out)
    with closing(usual_judge(engine, options.judge or "")) as judge:
        work = Work(engine, inputs, settings, MemoryLedger(), judge)
        record = new_run(engine, inputs, judge, options.name or "").to_values()
        run = RunFile(identity_of(work), inputs.to_json(), record)
        try:
            with progress_bar() as progress:
                done = carry_out_shard(work, folder, run, shard, progress)
        except KeyboardInterrupt:
            note("Stopped. The groups that were written are kept. Run the same shard again to continue.")
            return ExitCode.INTERRUPTED
    if not done.phase:
        print(f"All {done.phases} phases are merged. `hydrascope discover merge {options.out}` makes the tables.")
        return ExitCode.DONE
    print(
        f"Shard {shard} has done its part of phase {done.phase} of {done.phases} ({done.title}): "
        f"{counted(done.own, 'group')}, {done.fresh:,} of them now. "
        f"When all shards have, run `hydrascope discover merge {options.out}`"
        + (", then all shards again." if done.phase < done.phases else ", which makes the tables.")
    )
    return ExitCode.DONE


def merge_shards(folder: Path) -> int:
    """Join what is there, and say what comes next. Raises InputError, AssetError, StoreError."""
    from cache.store.runs import Runs
    from core.scale.files import ShardFolder
    from core.scale.merge import merge

    found = merge(ShardFolder(folder))
    if found.next:
        print(
            f"Phase {found.done} of {found.phases} is complete. Run all shards again, for phase {found.done + 1} "
            f"({found.next}), then `hydrascope discover merge {folder}`."
        )
        return ExitCode.DONE
    store = store_or_ending(f"All phases are joined in {folder}, but the tables were not made.")
    if isinstance(store, ExitCode):
        return store
    return _finish(Runs(store), found, folder)


def _finish(runs: Runs, found: Merged, folder: Path) -> int:
    """Put the run into the store, or what was computed again, and write its tables."""
    from cache.store.shard_run import keep_run, read_run
    from core.discovery.tables.report import failed, tables

    run = read_run(found.run, folder / "run.json")
    ledger, name = keep_run(runs, found, run), run.record.run
    write_tables(tables(ledger, found.settings), runs.facts(name), folder / "tables")
    failures = failed(ledger)
    print(
        f"All {found.phases} phases are merged. The tables are in {folder / 'tables'}, and the store has the run as "
        f"{name}" + (f"; {failures} rows failed. See the table of failures." if failures else ".")
    )
    return ExitCode.PARTLY if failures else ExitCode.DONE
