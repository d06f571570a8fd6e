"""Evaluations of a clamp as a defence in the store: what each was asked, and what it found so far.

Knows: the tables of migration 3. Does not know: pages, or how an evaluation is carried out. Every cell is on disk
before the next begins, so an evaluation that was stopped, or died with its process, goes on where it ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any, get_args

from cache.store.database import Store, now
from cache.store.judged_by import COLUMNS, JudgedBy, judged_by, read, same_judge, usual_judge
from cache.store.provenance import FACTS, Provenance, check_same, provenance
from core import Engine, InputError
from core.answers.judge import Judge
from core.answers.verdicts import VERDICTS, Verdict
from core.defence import Evaluation
from core.defence.grid import Cell, Group
from core.measures.recovery import Gap
from core.text.json_text import json_text, json_value


@dataclass(frozen=True)
class Defence(Provenance):
    """One evaluation as it was asked for, with everything its numbers depend on."""

    made_at: datetime
    defence: str
    asked: Evaluation
    judge: JudgedBy


_FACTS = [field.name for field in fields(Defence)][:-1]
_QUERY = f"select {', '.join(_FACTS)}, {COLUMNS} from defences"


class Defences:
    """All evaluations in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def create(self, engine: Engine, asked: Evaluation, judge: str = "") -> str:
        """Write down a new evaluation and give its identifier; nothing is computed yet. judge: its name; by default the
        usual one. Raises InputError."""
        by = judged_by(usual_judge(engine, judge))
        made = now()
        defence = f"{made:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        *facts, versions, weights, saes = astuple(provenance(engine))
        row = (made, defence, *facts, by.name, asked.to_json(), versions, *by[1:], weights, saes)
        self.store.insert("defences", [row])
        return defence

    def all(self, model: str) -> list[Defence]:
        """Every evaluation of a model, newest first."""
        query = f"{_QUERY} where model = ? order by rowid desc"
        return [_defence(row) for row in self.store.rows(query, [model])]

    def get(self, defence: str) -> Defence:
        """One evaluation. Raises InputError."""
        rows = self.store.rows(f"{_QUERY} where defence = ?", [defence])
        if not rows:
            raise InputError(f"There is no evaluation “{defence:.60}” in this store. Choose one from the list.")
        return _defence(rows[0])

    def found(self, defence: str) -> dict[tuple[int, Group], tuple[Verdict, ...]]:
        """(number of the value, group) → verdicts, one a prompt, as far as it has come."""
        query = "select clamp, prompts, verdicts from defence_cells where defence = ? order by rowid"
        rows = self.store.rows(query, [defence])
        groups = {name: name for name in get_args(Group)}
        kinds = {name: name for name in VERDICTS}
        return {(int(n), groups[group]): tuple(kinds[v] for v in text.split(",")) for n, group, text in rows}

    def gaps(self, defence: str) -> dict[tuple[int, Group], tuple[Gap, ...]]:
        """(number of the value, group) → how well its reference answers are predicted; no place without any."""
        query = "select clamp, prompts, gaps from defence_cells where defence = ? and gaps not in ('', '[]')"
        groups = {name: name for name in get_args(Group)}
        rows = self.store.rows(query, [defence])
        return {(int(n), groups[group]): tuple(Gap(*one) for one in json_value(text)) for n, group, text in rows}

    def carry_out(self, engine: Engine, defence: str) -> Iterator[Cell]:
        """Do what is left of it; each cell is kept before it is given. Raises InputError for another model."""
        stored = self.get(defence)
        check_same("This evaluation", stored, engine, FACTS)
        with closing(same_judge("This evaluation", stored.judge, engine)) as judge:
            yield from self._cells(stored.asked, engine, defence, judge)

    def _cells(self, asked: Evaluation, engine: Engine, defence: str, judge: Judge) -> Iterator[Cell]:
        for cell in asked.cells(engine, self.found(defence), judge):
            found = (",".join(cell.verdicts), json_text(cell.gaps))
            row = (now(), defence, cell.clamp, cell.group, cell.edits.to_text(), *found)
            self.store.insert("defence_cells", [row])
            yield cell


def _defence(row: Sequence[Any]) -> Defence:
    """From a row of `_QUERY`."""
    found: dict[str, Any] = dict(zip(_FACTS, row, strict=False))
    return Defence(**found | {"asked": Evaluation.from_json(found["asked"]), "judge": read(row[len(_FACTS) :])})
