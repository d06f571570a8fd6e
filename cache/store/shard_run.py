"""A run that shards carried out, as it comes into the store: checked against what its shards say it is.

Knows: a folder's `run.json`, runs in the store. Does not know: how shards are joined (`core.scale.merge`). The store
belongs to whoever merges, and gets nothing under a run's name that is of another run.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from cache.store.new_run import NewRun, stamp
from cache.store.provenance import THINKING
from cache.store.runs import Runs, StoreLedger
from core.discovery.context import Inputs
from core.errors import AssetError, InputError
from core.scale.files import RunFile
from core.scale.identity import Identity, judge_text, model_text, saes_digest
from core.scale.merge import Merged


class ShardRun(NamedTuple):
    """What `run.json` says besides the run's identity."""

    record: NewRun
    inputs: Inputs


def read_run(run: RunFile, path: Path) -> ShardRun:
    """path: of the file, for sentences. Raises AssetError where it cannot be read, or says other things of the run than
    the run's identity does, which every file of its groups carries."""
    try:
        found = ShardRun(NewRun.from_values(run.record), Inputs.from_json(run.inputs))
    except (KeyError, TypeError, ValueError) as error:
        raise AssetError(f"{path} cannot be read ({error}). Restore it.") from error
    if difference := run.identity.difference(_implied(found.record, run.identity)):
        raise AssetError(f"{path} was changed: its record has {difference}. Restore it.")
    record = found.record
    if record.run.rpartition("-")[0] != stamp(record.made_at):
        begun = f"{record.made_at:%Y-%m-%d %H:%M:%S}"
        raise AssetError(
            f"{path} was changed: “{record.run:.60}” is not the name of a run begun at {begun} UTC. Restore it."
        )
    return found


def keep_run(runs: Runs, found: Merged, run: ShardRun) -> StoreLedger:
    """Put a merged run into the store. Merged again, after a phase was computed again, it has the rows of the last
    time. Raises InputError where the store has another run of that name."""
    new = run.record
    known = next((one for one in runs.all() if one.run == new.run), None)
    if known is not None:
        _check_same_run(runs, known.run, found, run)
    ledger = runs.ledger(new.run)
    # The run itself last: what is only half there is not in the list of runs, and is not added twice.
    ledger.renew(found.rows.every())
    if known is None:
        runs.add(new, run.inputs, found.settings)
    runs.set_state(new.run, "finished")
    return ledger


def _implied(record: NewRun, identity: Identity) -> Identity:
    """The identity of a run with that record."""
    source, judge = record.source, record.judge
    thinking, mark = source.versions.endswith(THINKING), f", {THINKING}"
    return replace(
        identity,
        judge=judge_text(judge.name, judge.revision),
        model=model_text(source.model, source.revision),
        weights=source.weights,
        saes=saes_digest(source.saes, source.sae_digests),
        direction=source.direction,
        thinking="on" if thinking else "off" if identity.thinking == "on" else identity.thinking,
        number_format=source.dtype,
        device=source.device,
        versions=source.versions.removesuffix(mark),
    )


def _check_same_run(runs: Runs, name: str, found: Merged, run: ShardRun) -> None:
    stored, new = runs.get(name), run.record
    mine = (new.made_at, new.source, new.judge[:2], run.inputs, found.settings)
    its = (stored.made_at, stored.source, stored.judge[:2], runs.inputs(name), stored.settings)
    if mine != its:
        raise InputError(
            f"The store has another run with the name {name}, so this one was not put into it. Restore run.json, or "
            "merge into another store (HYDRASCOPE_CACHE)."
        )
