"""Which weights a training runs, and in what number format: what it makes is another thing with others.

Knows: engines, digests of files. Does not know: what is kept under it.
"""

from __future__ import annotations

from core.engine import Engine


def weights_used(engine: Engine) -> str:
    """A digest of the weights, and their number format."""
    return f"{engine.runtime.digests.weights} {engine.dtype}"
