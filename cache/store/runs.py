"""Runs of the search in the store: what each was asked, what it found so far, and its state.

Knows: the tables of migration 2. Does not know: what rows mean, pages, or how a run is carried out.
A run belongs to nobody's session: any page and any later process can look at it, resume it, or compare it with another.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace
from datetime import datetime
from typing import Any

from cache.store.database import Store, now
from cache.store.judged_by import COLUMNS, JudgedBy, read, same_judge, usual_judge
from cache.store.new_run import NewRun, new_run
from cache.store.provenance import Provenance, changed_files, check_computed_on, check_same, provenance
from core import Engine
from core.discovery.context import Inputs, Work
from core.discovery.ledger import MemoryLedger, Row, from_json, to_json
from core.discovery.runner import is_complete
from core.discovery.settings import Settings
from core.errors import InputError
from core.statistics import HOW

#: Names of two facts of a run: its judge, and how far that agrees with people.
JUDGE, AGREEMENT = "judge", "agreement with people"
#: The stage of rows whose items are versions that a run went on with.
VERSIONS = "versions"
#: The item of a row behind which a stage begins anew: what stood before it holds no longer.
_ANEW = ""
#: The states a run can be in. One that is “running” in a process that no longer lives was killed, and can be resumed.
STATES = ("running", "paused", "stopped", "finished", "failed")
# The columns in the order of Run's fields.
_QUERY = f"""
    select {", ".join(field.name for field in fields(Provenance))},
           r.made_at, r.run, r.name, r.prompts, r.settings,
           coalesce(s.state, 'stopped'), coalesce(s.note, ''), {COLUMNS}
    from runs r left join latest_run_states s using (run)
"""


@dataclass(frozen=True)
class Run(Provenance):
    """A run as it was asked for, where its numbers come from, and its last state. prompts: digest of the prompts."""

    made_at: datetime
    run: str
    name: str
    prompts: str
    settings: Settings
    state: str
    note: str
    judge: JudgedBy


class Runs:
    """All runs in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(
        self,
        engine: Engine,
        inputs: Inputs,
        settings: Settings,
        name: str = "",
        judge: str = "",
        computed_on: tuple[str, str] | None = None,
    ) -> str:
        """Write down a new run and give its identifier; nothing is computed yet. judge: its name; by default the usual
        one. computed_on: number format and device of the workers, where `engine` itself computes nothing. Raises what
        `direction()` and `core.judges.catalogue.find_judge` raise."""
        made = new_run(engine, inputs, usual_judge(engine, judge), name)
        if computed_on:
            made = made._replace(source=replace(made.source, dtype=computed_on[0], device=computed_on[1]))
        self.add(made, inputs, settings)
        self.set_state(made.run, "stopped", "not started yet")
        return made.run

    def add(self, new: NewRun, inputs: Inputs, settings: Settings) -> None:
        """Write down a run that was made elsewhere; its state is another call."""
        *facts, versions, weights, saes = astuple(new.source)
        asked = (new.judge.name, inputs.digest, inputs.to_json(), settings.to_json())
        row = (new.made_at, new.run, new.name, *facts, *asked, versions, *new.judge[1:], weights, saes)
        self.store.insert("runs", [row])

    def set_state(self, run: str, state: str, note: str = "") -> None:
        """Write down what a run is doing from now on. state: one of `STATES`."""
        assert state in STATES
        self.store.insert("run_states", [(now(), run, state, note)])

    def all(self) -> list[Run]:
        """Every run, newest first."""
        return [_run(row) for row in self.store.rows(f"{_QUERY} order by r.rowid desc")]

    def of(self, engine: Engine) -> list[Run]:
        """Every run of this engine's model with the weights and SAEs that it has, as far as that was kept; newest
        first. What others found is not about its features."""
        found = (run for run in self.all() if run.model == engine.spec.name)
        return [run for run in found if not changed_files(run, engine.runtime.digests)]

    def get(self, run: str) -> Run:
        """One run. Raises InputError."""
        rows = self.store.rows(f"{_QUERY} where r.run = ?", [run])
        if not rows:
            raise _unknown(run)
        return _run(rows[0])

    def facts(self, run: str) -> dict[str, str]:
        """What must stand with every table of a run: name → value. Raises InputError."""
        found = self.get(run)
        return {
            "run": found.run,
            "begun": f"{found.made_at:%Y-%m-%d %H:%M} UTC",
            "model": f"{found.model} ({found.revision})" if found.revision else found.model,
            "number format": f"{found.dtype} on {found.device}",
            "versions": "; resumed with ".join([found.versions or "not kept", *self.ledger(run).read(VERSIONS)]),
            "SAEs": found.saes,
            "digest of the model": found.weights or "not kept",
            "digests of the SAEs": found.sae_digests or "not kept",
            "direction": found.direction,
            "prompts": found.prompts,
            "reference answers": _about_references(self.inputs(run)),
            "seed": str(found.settings.seed),
            JUDGE: f"{found.judge.name} ({found.judge.revision})",
            AGREEMENT: found.judge.agreement,
            "reading of Algorithm 1": found.settings.reading,
            "intervals": HOW,
            "settings": found.settings.to_json(),
        }

    def inputs(self, run: str) -> Inputs:
        """The prompts a run is over. Raises InputError."""
        rows = self.store.rows("select inputs from runs where run = ?", [run])
        if not rows:
            raise _unknown(run)
        return Inputs.from_json(rows[0][0])

    def work(self, run: str, engine: Engine, computed_on: tuple[str, str] | None = None) -> Work:
        """What is needed to go on with a run. computed_on: number format and kind of device of the workers, where
        `engine` itself computes nothing. Raises InputError when the model is not the one it was started with.

        The model's name, revision and weights, its direction and SAEs must be the same: rows of two models in one table
        would be worth nothing. So must number format and device be, as long as anything is left to compute. With other
        versions it goes on, because nobody should lose a run to an update, and they are kept beside the first.
        """
        found = self.get(run)
        check_same(f"Run {run}", found, engine, ("model", "revision", "direction", "saes"))
        here = provenance(engine).versions
        ledger = StoreLedger(self.store, run, "" if here == found.versions else here)
        work = Work(engine, self.inputs(run), found.settings, ledger)
        if not is_complete(work):
            check_computed_on(f"Run {run}", found, *(computed_on or (engine.dtype, engine.device)))
        return replace(work, judge=same_judge(f"Run {run}", found.judge, engine))

    def draft(self, engine: Engine, inputs: Inputs, settings: Settings, judge: str = "") -> Work:
        """A run that is not written down: what workers are told of it before they begin."""
        return Work(engine, inputs, settings, MemoryLedger(), usual_judge(engine, judge))

    def ledger(self, run: str) -> StoreLedger:
        """What a run has found so far."""
        return StoreLedger(self.store, run)


def _about_references(inputs: Inputs) -> str:
    """“12 of 40 harmful prompts, by demo-base”."""
    if not inputs.references:
        return "none"
    writers = ", ".join(dict.fromkeys(one.model or "unknown" for one in inputs.references))
    known = {one.prompt for one in inputs.references}
    return f"{sum(t.strip() in known for t in inputs.harmful)} of {len(inputs.harmful)} harmful prompts, by {writers}"


def _run(row: Sequence[Any]) -> Run:
    """From a row of `_QUERY`."""
    *facts, by = (field.name for field in fields(Run))
    found: dict[str, Any] = dict(zip(facts, row, strict=False))
    return Run(**found | {"settings": Settings.from_json(found["settings"]), by: read(row[len(facts) :])})


def _unknown(run: str) -> InputError:
    return InputError(f"There is no run “{run:.60}” in this store. Choose one from the list.")


class StoreLedger:
    """A run's rows in the store. Each stage is read from the store once, then from memory; one process writes a run."""

    def __init__(self, store: Store, run: str, versions: str = "") -> None:
        """versions: of what adds rows, where they are others than the run was begun with; kept with the first row."""
        self.store, self.run, self._versions = store, run, versions
        # Protects `_known`: a page reads while the worker appends.
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Row]] = {}

    def read(self, stage: str) -> dict[str, Row]:
        """item → its row, in the order they were written."""
        with self._lock:
            if stage not in self._known:
                query = "select item, value, error from run_rows where run = ? and stage = ? order by rowid"
                rows = (Row(stage, item, from_json(v), error) for item, v, error in self._rows(query, stage))
                self._known[stage] = _taken_in({}, rows)
            return dict(self._known[stage])

    def append(self, rows: Sequence[Row]) -> None:
        """Keep all of `rows` on disk, or none when it fails."""
        if rows and self._versions and self._versions not in self.read(VERSIONS):
            rows = [Row(VERSIONS, self._versions, {}), *rows]
        written = [(now(), self.run, row.stage, row.item, to_json(row.value), row.error) for row in rows]
        with self._lock:
            self.store.insert("run_rows", written)
            for _, _, stage, item, value, error in written:
                if stage in self._known:  # as it will be read back, so that going on and resuming see the same
                    _taken_in(self._known[stage], [Row(stage, item, from_json(value), error)])

    def renew(self, rows: Sequence[Row]) -> None:
        """Keep `rows` as all that the run has found; stages whose rows are the same are not written again."""
        stages = [stage for (stage,) in self._rows("select distinct stage from run_rows where run = ?")]
        written: list[Row] = []
        for stage in dict.fromkeys([*stages, *(row.stage for row in rows)]):
            known, wanted = list(self.read(stage).values()), [row for row in rows if row.stage == stage]
            if known != wanted:
                written += [*([Row(stage, _ANEW, {})] if known else []), *wanted]
        self.append(written)

    def _rows(self, query: str, *more: object) -> list[tuple]:
        return self.store.rows(query, [self.run, *more])


def _taken_in(known: dict[str, Row], rows: Iterable[Row]) -> dict[str, Row]:
    """`known` with these rows behind it, in the order they were written."""
    for row in rows:
        if row.item == _ANEW:
            known.clear()
        else:
            known[row.item] = row
    return known
