"""A loaded engine as it is after its files were replaced under the same names: only the digests tell."""

from __future__ import annotations

from dataclasses import replace

from core import Engine

OTHER = "0123456789abcdef"


def with_other_weights(engine: Engine) -> Engine:
    """The same engine, as if the files of its weights had been others when it was loaded."""
    return _with(engine, weights=OTHER)


def with_other_sae(engine: Engine, layer: int) -> Engine:
    """The same engine, as if the SAE of one layer had been another when it was loaded."""
    return _with(engine, saes={**engine.runtime.digests.saes, layer: OTHER})


def _with(engine: Engine, **changes) -> Engine:
    digests = engine.runtime.digests._replace(**changes)
    other = Engine(replace(engine.runtime, digests=digests), engine.placement.partition(": ")[2])
    if engine.has_direction:
        other.use_direction(engine.direction())
    return other
