"""A run of the search without a browser: begun or resumed in the store, told line by line, its tables written.

Knows: files of prompts, the store, a terminal. Does not know: argument parsing (`core.__main__`), or stages.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tqdm import tqdm

from cache.store.runs import Runs
from core import Engine, InputError
from core.discovery.context import Inputs
from core.discovery.runner import RunProgress, run_stages
from core.discovery.settings import Settings
from core.discovery.tables.export import write
from core.discovery.tables.report import tables
from core.prompts.public_sets import read_local
from core.prompts.shipped import held_out, read_shipped


def read_file(path: str, column: str | None = None) -> list[str]:
    """The prompts in a file; a guess at its encoding is told. Raises InputError."""
    found = read_local(path, column)
    for warning in found.warnings:
        print(warning, file=sys.stderr)
    return [text for text in map(str.strip, found.rows) if text]


def bundled_prompts(engine: Engine, kind: str) -> list[str]:
    """The model's own prompts that nothing was trained on: its val and test splits. Raises InputError."""
    if engine.spec.prompts is None:
        raise InputError(f"“{engine.spec.name}” has no bundled prompts; give files with --harmful and --benign.")
    return held_out(read_shipped(engine.spec.prompts), kind)


def carry_out(runs: Runs, engine: Engine, identifier: str, out: Path | None) -> int:
    """Do what is left of a run, tell where it is, and write its tables. Returns how many rows say that they failed."""
    work = runs.work(identifier, engine)
    tell = _Bar() if sys.stderr.isatty() else _Lines()
    runs.set_state(identifier, "running")
    try:
        run_stages(work, progress=tell)
    except BaseException as error:
        runs.set_state(identifier, "stopped" if isinstance(error, KeyboardInterrupt) else "failed", str(error)[:500])
        raise
    finally:
        tell.close()
        if out is not None:
            write(tables(work.ledger), runs.facts(identifier), out)
    runs.set_state(identifier, "finished")
    failures = [table.frame for table in tables(work.ledger) if table.name == "failures"]
    return int((failures[0]["stage"] != "memory").sum()) if failures else 0


def begin(
    runs: Runs,
    engine: Engine,
    harmful: Sequence[str],
    benign: Sequence[str],
    plain: Sequence[str],
    settings: Mapping[str, object],
    name: str = "",
) -> str:
    """Write down a new run and give its identifier. Raises InputError for settings or prompts that make no sense."""
    inputs = Inputs(tuple(harmful), tuple(benign), tuple(plain))
    return runs.create(engine, inputs, Settings.from_values(settings), name)


class _Lines:
    """A plain line a stage, and one every tenth of it: for logs."""

    def __init__(self, out: Callable[[str], object] | None = None) -> None:
        self._said: tuple[str, int] | None = None
        self._out = out or (lambda line: print(line, file=sys.stderr, flush=True))

    def __call__(self, where: RunProgress) -> None:
        tenth = 10 * where.done // where.of if where.of else 10
        if self._said != (where.stage, tenth):
            self._said = (where.stage, tenth)
            left = "" if not where.left else f", {where.left:.0f} s left in this stage"
            self._out(f"{where.title}: {where.done} of {where.of}{left}")

    def close(self) -> None:
        """Nothing to put away."""


class _Bar:
    """One bar a stage."""

    def __init__(self) -> None:
        self._stage = ""
        self._bar: tqdm | None = None

    def __call__(self, where: RunProgress) -> None:
        if self._bar is None or self._stage != where.stage:
            self.close()
            self._stage, self._bar = where.stage, tqdm(total=where.of, desc=where.title, initial=where.done)
        self._bar.update(where.done - self._bar.n)

    def close(self) -> None:
        """Leave the bar as it stands and start a new line."""
        if self._bar is not None:
            self._bar.close()
        self._bar = None
