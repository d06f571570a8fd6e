"""The card of a run of the search: everything that repeats the run, its tables, and its minimal sets measured again.

Knows: which part of a card is the run's own. Does not know: stores, or how a run is carried out.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.answers.judge import Judge
from core.card.contents import Card, RunFacts, RunTable, Source, rounded
from core.card.features import About
from core.card.make import Asked, make_cases, now
from core.card.source import direction_of, source_of
from core.card.verify import altered_layers, other_model
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.discovery.tables.export import records
from core.discovery.tables.table import Table
from core.engine import Engine
from core.errors import InputError
from core.progress import QUIET, Progress
from core.text.layers import layers_text
from core.text.reasons import reason_of


def run_card(
    engine: Engine,
    facts: RunFacts,
    asked: Sequence[Asked],
    judge: Judge,
    about: About,
    seed: int,
    progress: Progress = QUIET,
) -> Card:
    """asked: the prompts with their minimal sets; scores and cosines alone are measured, because answers, controls and
    costs stand in the run's tables. Raises InputError, AssetError.
    """
    cases = make_cases(engine, asked, about=about, seed=seed, lean=True, progress=progress) if asked else []
    command = "hydrascope discover --repeat CARD"
    return rounded(Card("Discover", now(), command, seed, False, source_of(engine, judge), tuple(cases), facts))


def run_tables(tables: Sequence[Table]) -> tuple[RunTable, ...]:
    """A run's tables as a card keeps them."""
    return tuple(RunTable(one.name, one.title, one.section, one.note, tuple(records(one.frame))) for one in tables)


class Repeat:
    """What a run's card asks for again. Raises InputError for a card without a run, or with one that cannot be read."""

    def __init__(self, card: Card) -> None:
        if card.run is None:
            raise InputError("This is the card of an audit, not of a run of the search. Give a run's card.")
        try:
            self.inputs = Inputs.from_json(card.run.inputs)
        except (ValueError, TypeError, IndexError) as error:
            raise InputError(
                f"The prompts in this card cannot be read ({reason_of(error)}). Get the card again."
            ) from error
        self.settings = Settings.from_json(card.run.settings)
        self.name, self.judge, self.source = card.run.name, card.run.judge, card.source

    def prepared(self, engine: Engine) -> tuple[Engine, list[str]]:
        """The engine set as it was for the run, and sentences for what is another here. Raises InputError where the
        weights or the SAEs are others: that would be another run.
        """
        source: Source = self.source
        if source.thinking is not None and engine.runtime.template.thinking is not None:
            engine = engine.with_thinking(source.thinking)
        here = source_of(engine)
        if foreign := other_model(source, here):
            raise InputError(f"This run cannot be repeated here. {foreign}")
        if altered := altered_layers(source, here):
            raise InputError(
                f"This run cannot be repeated here: the SAEs of layer {layers_text(altered)} are not the card’s."
            )
        notes = []
        if source.direction and (here.direction is None or here.direction.key != source.direction.key):
            engine.use_direction(direction_of(source.direction))
            notes.append("The model’s refusal direction here is another; the card’s own is used.")
        if (source.dtype, source.device) != (here.dtype, here.device):
            notes.append(
                f"The run was made in {source.dtype} on {source.device}, here it is {here.dtype} on {here.device}: the "
                "last digits can differ."
            )
        return engine, notes
