"""The hydra effect: dormant features that wake when others are ablated, what holds them down, and cutting on.

Knows: the engine; every call takes one and gives plain values. Does not know: pages, the store.
Public: `refresh`, `Wakening`, `bos_view`, `leave_one_out`, `matters`, `cut_the_heads`, `dose`.
"""

from core.hydra.dose import STRENGTHS, dose
from core.hydra.groups import matters
from core.hydra.links import Links, leave_one_out
from core.hydra.rounds import Round, cut_the_heads
from core.hydra.wakening import BeforeAfter, BosBaseline, Wakening, bos_baseline, bos_view, refresh

__all__ = [
    "STRENGTHS",
    "BeforeAfter",
    "BosBaseline",
    "Links",
    "Round",
    "Wakening",
    "bos_baseline",
    "bos_view",
    "cut_the_heads",
    "dose",
    "leave_one_out",
    "matters",
    "refresh",
]
