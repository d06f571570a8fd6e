"""How many tokens one forward pass may hold, for the calling thread.

Knows: one number in a ContextVar. Does not know: models, or who sets it. A smaller budget means more and smaller passes
over the same rows: less working memory, and shorter waits for whoever wants the device next.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Bounds the working memory where nobody asks for less.
TOKENS_PER_FORWARD = 4096
_BUDGET: ContextVar[int] = ContextVar("hydrascope_tokens_per_forward", default=TOKENS_PER_FORWARD)


def tokens_per_forward() -> int:
    """The budget of the calling thread, at least 1."""
    return _BUDGET.get()


@contextmanager
def at_most(tokens: int) -> Iterator[None]:
    """Let no forward pass inside hold more than `tokens` tokens; one prompt always goes through, however long."""
    token = _BUDGET.set(max(1, tokens))
    try:
        yield
    finally:
        _BUDGET.reset(token)
