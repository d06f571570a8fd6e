"""A finished run of the search as an audit card: what repeats it, its tables, and its minimal sets measured again.

Knows: runs in the store, and what of one goes into a card. Does not know: how a card is made (`core.card`) or shown.
"""

from __future__ import annotations

from cache.store.provenance import check_same
from cache.store.runs import Runs
from core import Edits, Engine
from core.card.contents import Card, RunFacts
from core.card.features import About
from core.card.make import Asked
from core.card.run import run_card, run_tables
from core.discovery.ledger import features
from core.discovery.tables.report import tables
from core.discovery.tables.search import minimal_sets
from core.errors import InputError
from core.judges.catalogue import find_judge
from core.labels.notes import read_labels
from core.labels.origins import origins_of
from core.progress import QUIET, Progress

#: Prompts whose minimal set is measured for the card, smallest sets first.
MOST_PROMPTS = 50


def card_of_run(runs: Runs, run: str, engine: Engine, progress: Progress = QUIET) -> Card:
    """The card. Raises InputError for a run that is not finished, or of another model than `engine` has."""
    found = runs.get(run)
    if found.state != "finished":
        raise InputError(f"Run {run} is not finished ({found.state}), so it has no card yet. Resume it first.")
    check_same(f"Run {run}", found, engine, ("model", "revision", "direction", "saes"))
    inputs, ledger = runs.inputs(run), runs.ledger(run)
    facts = RunFacts(
        run=run,
        name=found.name,
        begun=f"{found.made_at:%Y-%m-%d %H:%M:%S} UTC",
        judge=found.judge.name,
        inputs=inputs.to_json(),
        settings=found.settings.to_json(),
        facts=runs.facts(run),
        tables=run_tables(tables(ledger, found.settings)),
    )
    chosen = minimal_sets(ledger).sort_values(["size", "item"]).head(MOST_PROMPTS)
    asked = [
        Asked(inputs.text(row.item), (("Minimal set", Edits.ablate(features(row.features))),), 0, {})
        for row in chosen.itertuples()
    ]
    judge = find_judge(found.judge.name, engine=engine)
    about = About(read_labels(engine.spec.labels, origins_of(engine)))
    return run_card(engine, facts, asked, judge, about, found.settings.seed, progress)
