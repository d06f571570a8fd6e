"""How long work reports how far it is, and how it is asked to stop.

Knows: the shape of both callables, and the two that do nothing. Does not know: who shows progress (a bar in a terminal,
a bar on a page), or what the work is.
"""

from __future__ import annotations

from collections.abc import Callable

#: Called with a sentence to show and the share of the work that is done, 0 to 1 and never less than before. What it
#: returns does not matter.
Progress = Callable[[str, float], object]


def _quiet(message: str, share: float) -> None:
    """Show nothing."""


def _never() -> bool:
    return False


#: How long work goes on before it reports, and asks whether it is to stop, again.
POLL_SECONDS = 0.2
#: Progress that nobody asked for.
QUIET: Progress = _quiet
#: A cancelled() for work that nobody stops.
NEVER: Callable[[], bool] = _never


def part(progress: Progress, start: float, size: float) -> Progress:
    """Progress for one part of the work: its shares 0 to 1 become start to start + size of the whole."""

    def tell(message: str, share: float) -> None:
        progress(message, start + size * share)

    return tell
