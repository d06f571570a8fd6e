"""How many tokens one forward pass may hold, for the calling thread.

Knows: one number in a ContextVar. Does not know: models, or who sets it. A smaller budget means more and smaller passes
over the same rows: less working memory, and shorter waits for whoever wants the device next.

Answers are written a token a row at a step, and a step reads all of the weights: with 128 rows it writes four times as
many tokens a second as with 8 (docs/benchmarks.md). So more rows are written together than one pass over their prompts
could hold; what bounds them is the memory of their keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Bounds the working memory where nobody asks for less.
TOKENS_PER_FORWARD = 4096
#: Answers written together at most, and the tokens whose keys and values they may hold, as a multiple of the budget.
MOST_ANSWERS, HELD = 128, 8
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


def answers_together(tokens: int, budget: int | None = None) -> int:
    """How many answers are written together, each so long with its prompt. budget: the thread's when None."""
    most = tokens_per_forward() if budget is None else budget
    return max(1, min(MOST_ANSWERS, most, HELD * most // tokens))
