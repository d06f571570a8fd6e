"""The one place in memory that judges with a model share: who has it, and how the next one takes it.

Knows: judges that can be closed. Does not know: what they load. A judge that reads with an engine's model loads
nothing and takes no place.
"""

from __future__ import annotations

import threading
from typing import Final, Protocol

# Protects `_loaded` and the model it names: most machines have memory for one such model. Held for a whole call of
# `judge`, so that no other judge takes the place in the middle of a batch.
ONE_AT_A_TIME: Final = threading.RLock()


class Occupant(Protocol):
    """Whatever has loaded a model."""

    def close(self) -> None: ...


_loaded: Occupant | None = None


def loaded_judge() -> Occupant | None:
    """The one whose model is in memory now."""
    return _loaded


def make_room() -> None:
    """Close whichever judge has the place."""
    with ONE_AT_A_TIME:
        if _loaded is not None:
            _loaded.close()


def take(judge: Occupant) -> None:
    """`judge` has loaded its model."""
    global _loaded
    with ONE_AT_A_TIME:
        _loaded = judge


def leave(judge: Occupant) -> None:
    """`judge` has let its model go; nothing happens where another has the place."""
    global _loaded
    with ONE_AT_A_TIME:
        if _loaded is judge:
            _loaded = None
