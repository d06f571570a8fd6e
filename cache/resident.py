"""The engine kept loaded for every page and every visitor of this process.

Knows: engines by name, that there is one device. Does not know: pages, prompts, edits.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable

import torch

from core import Engine, load
from core.registry import find

Progress = Callable[[str, float], None]

# What is frozen is not collected when the process ends either, and some libraries then report leaks.
atexit.register(gc.unfreeze)

# Protects `_engines`: without it two first visitors would each load the model.
_lock = threading.Lock()
_engines: dict[str, Engine] = {}


def is_resident(name: str) -> bool:
    """Whether `resident(name)` would answer at once."""
    return name in _engines and _engines[name].spec == find(name)


def resident(name: str, progress: Progress | None = None, cancelled: Callable[[], bool] = lambda: False) -> Engine:
    """The engine called `name`, loaded on first use; one model at a time, another name replaces it.

    Raises what `core.load` raises; a failed load leaves nothing behind and is tried anew next time.
    """
    with _lock:
        if not is_resident(name):  # or its spec has changed since: other layers, say
            _engines.clear()
            gc.unfreeze()
            gc.collect()
            _engines[name] = load(name, progress=progress, cancelled=cancelled)
            # Streamlit collects garbage after every rerun; walking the model's objects each time costs seconds (#8977).
            gc.collect()
            gc.freeze()
        return _engines[name]


def let_go() -> None:
    """Give the memory of the engine in use back; the next page that needs it loads it again."""
    with _lock:
        _engines.clear()
        gc.unfreeze()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def in_use() -> tuple[str, ...]:
    """Names of the engines that are held."""
    return tuple(_engines)
