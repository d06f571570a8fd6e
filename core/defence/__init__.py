"""Clamping as a defence: natural ranges, attacks to test against, what a clamp brings back and what it costs.

Knows the engine; does not know pages or the store.
Public: `natural_ranges`, `ATTACKS`, `wrap`, `Evaluation`, `grid`, `table`, `conclusion`.
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
