"""What one visitor looks at on the Hydra page: which view, which round.

Knows: keys and names. Does not know: engines, stores, drawing, or prompt and edits, which are the workspace's.
"""

from __future__ import annotations

REPAIR, MAP, WHO, MATTER = "Self-repair", "Woken map", "Who wakes whom", "Do they matter?"
HEADS, DOSE = "Cut the heads", "Dose"
VIEWS = (REPAIR, MAP, WHO, MATTER, HEADS, DOSE)
VIEW, ONLY_BOS, ROUND = "hydra_view", "hydra_bos", "hydra_round"
REPAIR_STRENGTH, REPAIR_PARTS = "hydra_repair_strength", "hydra_repair_parts"
RULE, JUDGE = "hydra_rule", "hydra_judge"
WHOLE, BOS = "This prompt", "BOS alone"


def view_named(name: str) -> str:
    """The view that an address names, the first where it names none there is."""
    return name if name in VIEWS else VIEWS[0]


def name_of(view: str) -> str:
    """The name of a view in an address: none for the first."""
    return "" if view == VIEWS[0] else view
