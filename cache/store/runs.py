"""Runs of the search in the store: what each was asked, what it found so far, and how it stands.

Knows: the tables of migration 2. Does not know: what rows mean, pages, or how a run is carried out.
A run belongs to nobody's session: any page and any later process can look at it, resume it, or put it beside another.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

from cache.store.database import Store, now
from core import Engine, ModelSpec
from core.discovery.context import Inputs, Work
from core.discovery.ledger import Row, from_json, to_json
from core.discovery.settings import JUDGE, Settings
from core.errors import InputError

#: How a run can stand. One that says “running” in a process that no longer lives was killed, and can be resumed.
STATES = ("running", "paused", "stopped", "finished", "failed")


@dataclass(frozen=True)
class Run:
    """A run as it was asked for, and its last state. Everything a table needs to say where its numbers came from."""

    made_at: datetime
    run: str
    name: str
    model: str
    revision: str
    dtype: str
    device: str
    direction: str
    saes: str
    judge: str
    prompts: str
    settings: Settings
    state: str
    note: str


def sae_names(spec: ModelSpec) -> str:
    """Which SAEs a model is read with: layer:name, comma-separated."""
    return ",".join(f"{layer}:{PurePath(str(where)).name}" for layer, where in sorted(spec.saes.items()))


class Runs:
    """All runs in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, engine: Engine, inputs: Inputs, settings: Settings, name: str = "") -> str:
        """Write down a new run and give its identifier; nothing is computed yet."""
        made = now()
        run = f"{made:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        spec = engine.spec
        self.store.insert(
            "runs",
            [
                (
                    made,
                    run,
                    name.strip() or f"{len(inputs.harmful)} harmful, {len(inputs.benign)} benign",
                    spec.name,
                    spec.revision or "",
                    engine.dtype,
                    engine.device,
                    engine.direction().key,
                    sae_names(spec),
                    JUDGE,
                    inputs.digest,
                    inputs.to_json(),
                    settings.to_json(),
                )
            ],
        )
        self.say(run, "stopped", "not started yet")
        return run

    def say(self, run: str, state: str, note: str = "") -> None:
        """What a run is doing from now on."""
        assert state in STATES
        self.store.insert("run_states", [(now(), run, state, note)])

    def all(self) -> list[Run]:
        """Every run, newest first."""
        query = """
            select r.made_at, r.run, r.name, r.model, r.revision, r.dtype, r.device, r.direction, r.saes, r.judge,
                   r.prompts, r.settings, coalesce(s.state, 'stopped'), coalesce(s.note, '')
            from runs r left join latest_run_states s using (run) order by r.made_at desc, r.run desc
        """
        found = self.store.rows(query)
        return [Run(*(*row[:11], Settings.from_json(row[11]), *row[12:])) for row in found]

    def get(self, run: str) -> Run:
        """One run. Raises InputError."""
        found = [one for one in self.all() if one.run == run]
        if not found:
            raise InputError(f"There is no run “{run:.60}” in this store; choose one that is listed.")
        return found[0]

    def facts(self, run: str) -> dict[str, str]:
        """What must stand with every table of a run: name → value. Raises InputError."""
        asked = self.get(run)
        return {
            "run": asked.run,
            "begun": f"{asked.made_at:%Y-%m-%d %H:%M} UTC",
            "model": f"{asked.model} ({asked.revision})" if asked.revision else asked.model,
            "number format": f"{asked.dtype} on {asked.device}",
            "SAEs": asked.saes,
            "direction": asked.direction,
            "prompts": asked.prompts,
            "seed": str(asked.settings.seed),
            "judge": asked.judge,
            "reading of Algorithm 1": asked.settings.reading,
            "settings": asked.settings.to_json(),
        }

    def inputs(self, run: str) -> Inputs:
        """The prompts a run is over. Raises InputError."""
        rows = self.store.rows("select inputs from runs where run = ?", [run])
        if not rows:
            raise InputError(f"There is no run “{run:.60}” in this store; choose one that is listed.")
        return Inputs.from_json(rows[0][0])

    def work(self, run: str, engine: Engine) -> Work:
        """What is needed to go on with a run. Raises InputError when the model is not the one it was begun with.

        The model's name and revision, its direction and SAEs must be the same: rows of two models in one table would
        be worth nothing. Another device or number format changes only the last digits, and is allowed.
        """
        asked = self.get(run)
        spec = engine.spec
        for what, then, today in (
            ("model", asked.model, spec.name),
            ("revision", asked.revision, spec.revision or ""),
            ("refusal direction", asked.direction, engine.direction().key),
            ("set of SAEs", asked.saes, sae_names(spec)),
        ):
            if then != today:
                raise InputError(
                    f"Run {run} was begun with another {what} ({then or 'none'}, now {today or 'none'}), and cannot be "
                    "resumed; start a new one."
                )
        return Work(engine, self.inputs(run), asked.settings, self.ledger(run))

    def ledger(self, run: str) -> StoreLedger:
        """What a run has found so far."""
        return StoreLedger(self.store, run)


class StoreLedger:
    """A run's rows in the store. Reading is from memory after the first time; one process writes a run."""

    def __init__(self, store: Store, run: str) -> None:
        self._store, self._run = store, run
        # Protects `_known`: a page reads while the worker appends.
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Row]] = {}

    def read(self, stage: str) -> dict[str, Row]:
        """item → its row, in the order they were written."""
        with self._lock:
            if stage not in self._known:
                query = "select item, value, error from run_rows where run = ? and stage = ? order by rowid"
                found = self._store.rows(query, [self._run, stage])
                self._known[stage] = {item: Row(stage, item, from_json(value), error) for item, value, error in found}
            return dict(self._known[stage])

    def append(self, rows: Sequence[Row]) -> None:
        """Keep all of `rows` on disk, or none when it fails."""
        written = [(now(), self._run, row.stage, row.item, to_json(row.value), row.error) for row in rows]
        with self._lock:
            self._store.insert("run_rows", written)
            for _, _, stage, item, value, error in written:
                if stage in self._known:  # as it will be read back, so that going on and resuming see the same
                    self._known[stage][item] = Row(stage, item, from_json(value), error)
