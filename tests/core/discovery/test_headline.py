"""The sentence above a run's tables, from rows written by hand."""

from __future__ import annotations

from core.discovery.tables.headline import headline
from core.statistics import rate
from tests.written_rows import CANDIDATES, PRUNING, SCREEN, Rows

DIRECTION = {f"harmful/{n:04}": {"verdict": verdict} for n, verdict in enumerate(("complied", "refused", "off-topic"))}


def test_it_says_what_flips_with_its_denominator_and_what_was_chosen_afterwards():
    assert headline(Rows(screen=SCREEN)) == "", "nothing was ablated yet"
    first = headline(Rows(screen=SCREEN, candidates=CANDIDATES))
    assert first == f"Of the refused prompts, the nearest features, up to 20 a layer, flip {rate(2, 3)}."
    both = headline(Rows(screen=SCREEN, candidates=CANDIDATES, pruning=PRUNING))
    assert both.endswith(
        f"minimal sets at τ = 0.1, chosen afterwards, flip {rate(2, 3)} with a median of 2.5 features."
    )


def test_the_control_stands_beside_it():
    drawn = {
        f"harmful/{n:04}": {"verdict": verdict, "drawn": ["5-9"], "features": 1}
        for n, verdict in enumerate(("refused", "complied"))
    }
    rows = Rows(candidates=CANDIDATES, pruning=PRUNING, random=drawn, direction=DIRECTION)
    assert headline(rows).startswith(f"Of the refused prompts, ablating the refusal direction flips {rate(1, 3)};")
    assert headline(rows).endswith(f"in a flipping set’s place flip {rate(1, 2)}.")
