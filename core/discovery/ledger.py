"""What a run has found so far, as rows: written once, never changed, read back by whoever goes on.

Knows: a row's shape and how values become JSON. Does not know: where rows are kept (`cache.store.runs`) or what they
mean. Every stage reads what earlier stages found from here and from nowhere else, so a resumed run sees exactly what an
uninterrupted one saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from core.edits.edits import Feature
from core.text.json_text import json_text, json_value


class Row(NamedTuple):
    """What one stage found for one item; `error` is a sentence where it failed, and `value` is empty then."""

    stage: str
    item: str
    value: Mapping[str, Any]
    error: str = ""


class Ledger(Protocol):
    """Where a run's rows are."""

    def read(self, stage: str) -> dict[str, Row]:
        """item → its row, in the order they were written."""
        ...

    def append(self, rows: Sequence[Row]) -> None:
        """Keep all of `rows`, or none when it fails."""
        ...


class MemoryLedger:
    """Rows in memory alone, as a worker or a shard has them; their values are as they would be read back."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows: dict[str, dict[str, Row]] = {}
        self.append(list(rows))

    def read(self, stage: str) -> dict[str, Row]:
        """item → its row, in the order they were added."""
        return dict(self._rows.get(stage, {}))

    def every(self) -> list[Row]:
        """All rows, stage by stage in the order in which the stages came."""
        return [row for rows in self._rows.values() for row in rows.values()]

    def append(self, rows: Sequence[Row]) -> None:
        """Add all of `rows`."""
        for row in rows:
            kept = row._replace(value=from_json(to_json(row.value)))
            self._rows.setdefault(row.stage, {})[row.item] = kept


def fresh(ledger: Ledger, rows: Sequence[Row]) -> list[Row]:
    """Those of `rows` that the ledger does not have."""
    known = {name: ledger.read(name) for name in {row.stage for row in rows}}
    return [row for row in rows if row.item not in known[row.stage]]


def to_json(value: Mapping[str, Any]) -> str:
    """One line. Floats keep every bit; NaN and infinity become null, because JSON has neither."""
    return json_text(value, ascii_only=False, sort_keys=True)


def from_json(text: str) -> dict[str, Any]:
    """The other way round."""
    return json_value(text)


def feature_names(features: Iterable[Feature]) -> list[str]:
    """Features as `layer-index`."""
    return [str(feature) for feature in features]


def features(texts: Iterable[str]) -> list[Feature]:
    """The other way round."""
    return [Feature.parse(text) for text in texts]
