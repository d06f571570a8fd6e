"""Evaluations of a clamp as a defence in the store: what each was asked, and what it found so far.

Knows: the tables of migration 3. Does not know: pages, or how an evaluation is carried out. Every cell is on disk when
the next begins, so one that was stopped, or died with its process, goes on where it was.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from cache.store.database import Store, now
from cache.store.runs import sae_names
from core import Engine, InputError
from core.answers.verdicts import VERDICTS, Verdict
from core.defence import Evaluation
from core.defence.grid import Cell, Group
from core.discovery.settings import JUDGE

_COLUMNS = "made_at, defence, model, revision, dtype, device, direction, saes, judge, asked"


@dataclass(frozen=True)
class Defence:
    """One evaluation as it was asked for, with everything its numbers depend on."""

    made_at: datetime
    defence: str
    model: str
    revision: str
    dtype: str
    device: str
    direction: str
    saes: str
    judge: str
    asked: Evaluation


class Defences:
    """All evaluations in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, engine: Engine, asked: Evaluation) -> str:
        """Write down a new evaluation and give its identifier; nothing is computed yet."""
        made = now()
        defence = f"{made:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        self.store.insert("defences", [(made, defence, *_engine_facts(engine), JUDGE, asked.to_json())])
        return defence

    def all(self, model: str) -> list[Defence]:
        """Every evaluation of a model, newest first."""
        query = f"select {_COLUMNS} from defences where model = ? order by made_at desc, defence desc"
        return [_defence(row) for row in self.store.rows(query, [model])]

    def get(self, defence: str) -> Defence:
        """One evaluation. Raises InputError."""
        rows = self.store.rows(f"select {_COLUMNS} from defences where defence = ?", [defence])
        if not rows:
            raise InputError(f"There is no evaluation “{defence:.60}” in this store; choose one that is listed.")
        return _defence(rows[0])

    def found(self, defence: str) -> dict[tuple[int, Group], tuple[Verdict, ...]]:
        """(number of the value, group) → verdicts, one a prompt, as far as it has come."""
        query = "select clamp, prompts, verdicts from defence_cells where defence = ? order by rowid"
        rows = self.store.rows(query, [defence])
        groups = {name: name for name in get_args(Group)}
        kinds = {name: name for name in VERDICTS}
        return {(int(n), groups[group]): tuple(kinds[v] for v in said.split(",")) for n, group, said in rows}

    def carry_out(self, engine: Engine, defence: str) -> Iterator[Cell]:
        """Do what is left of it; each cell is kept before it is given. Raises InputError for another model."""
        asked = self.get(defence)
        then = (asked.model, asked.revision, asked.dtype, asked.device, asked.direction, asked.saes)
        for what, before, today in zip(
            ("model", "revision", "number format", "device", "refusal direction", "set of SAEs"),
            then,
            _engine_facts(engine),
            strict=True,
        ):
            if before != today:
                raise InputError(
                    f"This evaluation was begun with another {what} ({before or 'none'}, now {today or 'none'}), and "
                    "cannot go on; start a new one."
                )
        for cell in asked.asked.cells(engine, self.found(defence)):
            row = (now(), defence, cell.clamp, cell.group, cell.edits.to_text(), ",".join(cell.verdicts))
            self.store.insert("defence_cells", [row])
            yield cell


def _engine_facts(engine: Engine) -> tuple[str, str, str, str, str, str]:
    """model, revision, dtype, device, direction, saes."""
    spec = engine.spec
    return (
        spec.name,
        spec.revision or "",
        engine.dtype,
        engine.device,
        engine.direction().key if engine.has_direction else "",
        sae_names(spec),
    )


def _defence(row: Sequence[Any]) -> Defence:
    """From a row of `_COLUMNS`."""
    facts = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return Defence(**facts | {"asked": Evaluation.from_json(facts["asked"])})
