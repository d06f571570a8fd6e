"""The hydra effect: self-repair, what later blocks put back of an ablation's effect; dormant features that wake when
others are ablated, what kept them silent, and ablation in rounds.

Knows: the engine; every call takes one and gives plain values. Does not know: pages, the store.
Public: `self_repair`, `repair_over`, `summarise`, `hold_parts`, `matched_edits`, `refresh`, `Wakening`, `bos_view`,
`leave_one_out`, `matters`, `cut_the_heads`, `dose`, `tour.measure`, `tour_file.read_tour`.
"""

from core.hydra.controlled_repair import Repair, repair_with_controls
from core.hydra.dose import STRENGTHS, dose
from core.hydra.groups import matters, matters_by
from core.hydra.held_parts import HeldParts, hold_parts
from core.hydra.links import Links, leave_one_out
from core.hydra.repair_controls import MatchedEdits, matched_edits
from core.hydra.repair_summary import RepairSummary, repair_over, summarise
from core.hydra.rounds import Round, cut_the_heads
from core.hydra.self_repair import SelfRepair, self_repair
from core.hydra.wakening import BeforeAfter, BosBaseline, Wakening, bos_baseline, bos_view, refresh

__all__ = [
    "STRENGTHS",
    "BeforeAfter",
    "BosBaseline",
    "HeldParts",
    "Links",
    "MatchedEdits",
    "Repair",
    "RepairSummary",
    "Round",
    "SelfRepair",
    "Wakening",
    "bos_baseline",
    "bos_view",
    "cut_the_heads",
    "dose",
    "hold_parts",
    "leave_one_out",
    "matched_edits",
    "matters",
    "matters_by",
    "refresh",
    "repair_over",
    "repair_with_controls",
    "self_repair",
    "summarise",
]
