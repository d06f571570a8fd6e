"""How a search run is named in a list. Knows: runs of the store. Does not know: what is in them."""

from __future__ import annotations

from cache.store.runs import Run


def run_name(run: Run) -> str:
    """A run in a list. Nothing that changes: a browser sends a choice back as its text."""
    return f"{run.made_at:%d %b %H:%M:%S} · {run.name}"
