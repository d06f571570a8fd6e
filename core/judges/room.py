"""Whether a judge fits this machine now, told before it is loaded.

Knows: what a judge says it needs, and the memory that is free. Does not know: how anything is loaded, or who holds the
rest of the memory.
"""

from __future__ import annotations

from typing import NamedTuple

from core import devices
from core.devices import free_memory
from core.hub.errors import size_text
from core.judges.protocol import Needs

#: Working space beside the weights: a share of them for keys, values and activations of a batch, and a floor.
_WORK_SHARE, _WORK_FLOOR = 0.15, 400_000_000


class Room(NamedTuple):
    """Bytes. memory: what judging takes at its height, 0 without a model. free: on the device now. device: its kind."""

    memory: int
    free: int
    device: str

    @property
    def fits(self) -> bool:
        return self.memory <= self.free

    def __str__(self) -> str:
        if not self.memory:
            return "It loads nothing."
        taken = f"about {size_text(self.memory)} of memory"
        if self.fits:
            return f"It fits: it takes {taken}, and {size_text(self.free)} are free ({self.device})."
        return (
            f"It does not fit now: it takes {taken}, and {size_text(self.free)} are free ({self.device}); let the "
            "model in use go, close other programs, or choose a smaller judge."
        )


def room(needs: Needs) -> Room:
    """How a judge that needs this would stand here now."""
    device = devices.choose(0).device
    memory = needs.memory + max(round(_WORK_SHARE * needs.memory), _WORK_FLOOR) if needs.memory else 0
    return Room(memory, free_memory(device), device.type)
