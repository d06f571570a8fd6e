"""A run of the search, begun in the store. Knows: a model's own prompts. Does not know: stages, files, a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cache.store.runs import Runs
from core import Engine, InputError
from core.discovery.context import Inputs
from core.discovery.settings import Settings
from core.prompts.shipped import held_out, read_shipped


def bundled_prompts(engine: Engine, kind: str) -> list[str]:
    """The model's own prompts that nothing was trained on: its val and test splits. Raises InputError."""
    if engine.spec.prompts is None:
        raise InputError(f"“{engine.spec.name}” has no bundled prompts; give files with --harmful and --benign.")
    return held_out(read_shipped(engine.spec.prompts), kind)


def begin(
    runs: Runs,
    engine: Engine,
    harmful: Sequence[str],
    benign: Sequence[str],
    plain: Sequence[str],
    settings: Mapping[str, object],
    name: str = "",
) -> str:
    """Write down a new run and give its identifier. Raises InputError for settings or prompts that make no sense."""
    inputs = Inputs(tuple(harmful), tuple(benign), tuple(plain))
    return runs.create(engine, inputs, Settings.from_values(settings), name)
