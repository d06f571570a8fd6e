"""Clamping as a defence: natural ranges of features, attacks to test against, and what a clamp brings back and costs.

Knows: the engine. Does not know: pages, the store.
Public: `Evaluation`, `grid`, `Cell`, `natural_ranges`, `ATTACKS`, `wrap`, `long_table`, `conclusion`.
"""

from core.defence.attacks import ATTACKS, Attack, wrap
from core.defence.evaluation import Evaluation
from core.defence.grid import Cell, grid
from core.defence.ranges import natural_ranges
from core.defence.summary import clamp_name, conclusion, long_table, table

__all__ = [
    "ATTACKS",
    "Attack",
    "Cell",
    "Evaluation",
    "clamp_name",
    "conclusion",
    "grid",
    "long_table",
    "natural_ranges",
    "table",
    "wrap",
]
