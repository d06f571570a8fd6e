"""A run before it has found anything: its name, where its numbers will come from, and who judges.

Knows: what the store keeps of a run besides prompts and settings. Does not know: tables. A run in shards carries it
along as JSON, because no shard writes to the store.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any, NamedTuple

from cache.store.database import now
from cache.store.judged_by import JudgedBy, judged_by
from cache.store.provenance import Provenance, provenance
from core import Engine
from core.answers.judge import Judge
from core.discovery.context import Inputs


class NewRun(NamedTuple):
    """run: its identifier. made_at: UTC."""

    made_at: datetime
    run: str
    name: str
    source: Provenance
    judge: JudgedBy

    def to_values(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            **{"made_at": self.made_at.isoformat(), "run": self.run, "name": self.name},
            **{"source": asdict(self.source), "judge": list(self.judge)},
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> NewRun:
        """The other way round. Raises KeyError, TypeError and ValueError for anything else."""
        kept = {"weights": "", "sae_digests": "", **values["source"]}  # of an earlier version: without digests
        source = Provenance(**{field.name: str(kept[field.name]) for field in fields(Provenance)})
        made = datetime.fromisoformat(values["made_at"])
        return cls(made, str(values["run"]), str(values["name"]), source, JudgedBy(*values["judge"]))


def new_run(engine: Engine, inputs: Inputs, judge: Judge, name: str = "") -> NewRun:
    """A run of this engine with a new identifier. Raises what `direction()` and a judge's revision raise."""
    engine.direction()  # the search is about it, so a run without one would fail at its first stage
    made = now()
    title = name.strip() or f"{len(inputs.harmful)} harmful, {len(inputs.benign)} benign"
    return NewRun(made, f"{stamp(made)}-{secrets.token_hex(2)}", title, provenance(engine), judged_by(judge))


def stamp(made_at: datetime) -> str:
    """What the identifier of a run that was made then begins with."""
    return f"{made_at:%Y%m%d-%H%M%S}"
