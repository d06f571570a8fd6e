"""The engines that stay loaded for every page and every visitor of this process; one, unless more are allowed.

Knows: engines by name, that there is one device, how many may stay loaded. Does not know: pages, prompts, edits.
"""

from __future__ import annotations

import atexit
import gc
import os
import threading
from collections.abc import Callable

import torch

from core import Engine, InputError, load
from core.models.footprint import needs
from core.models.registry import find

Progress = Callable[[str, float], None]
#: The environment variable that says how many models may be loaded at a time.
VARIABLE = "HYDRASCOPE_MODELS"

# Frozen objects are not collected at the end of the process either, and some libraries then report leaks.
atexit.register(gc.unfreeze)

# Protects `_engines`: without it two first visitors would each load the model.
_lock = threading.Lock()
_engines: dict[str, Engine] = {}  # least recently used first


def is_loaded(name: str) -> bool:
    """Whether this model is loaded as its spec is now, so that `get_engine(name)` answers at once."""
    return name in _engines and _engines[name].spec == find(name)


def get_engine(name: str, progress: Progress | None = None, cancelled: Callable[[], bool] = lambda: False) -> Engine:
    """The engine called `name`, loaded on first use; another name replaces it.

    HYDRASCOPE_MODELS lets several stay. Then the one used least recently is unloaded first: when there are too many,
    and while the next needs more memory (weights and working space, by `core.models.footprint`) than the device has
    free. What the others hold of their SAEs is freed before any of them is unloaded. Raises what `core.load` raises; a
    failed load leaves nothing behind, and the next call tries again.
    """
    with _lock:
        if not is_loaded(name):  # or its spec has changed since: other layers, say
            limit = _limit()
            _engines.pop(name, None)
            while len(_engines) >= limit:
                _unload_oldest()
            _collect_garbage()
            while _engines and _too_large(name):
                _free_some()
            _engines[name] = load(name, progress=progress, cancelled=cancelled)
            # Streamlit collects garbage after every rerun; walking the model's objects each time costs seconds (#8977).
            gc.collect()
            gc.freeze()
        _engines[name] = _engines.pop(name)
        return _engines[name]


def unload_all() -> None:
    """Free the memory of all engines; the next page that needs one loads it again."""
    with _lock:
        _engines.clear()
        _collect_garbage()


def loaded_names() -> tuple[str, ...]:
    """The names of the engines that are loaded."""
    return tuple(_engines)


def _limit() -> int:
    """How many models may be loaded at a time. Raises InputError."""
    text = os.environ.get(VARIABLE, "").strip() or "1"
    if not text.isdecimal() or int(text) < 1:
        raise InputError(f"{VARIABLE} is “{text:.40}”; write how many models may be loaded, a whole number from 1 on.")
    return int(text)


def _too_large(name: str) -> bool:
    """Whether the model needs more memory than the device has free now."""
    found = needs(find(name))
    return found.memory > found.free


def _free_some() -> None:
    """Free some memory: what engines hold of their SAEs first, then the engine used least recently."""
    holding = [engine.runtime.residency for engine in _engines.values() if engine.runtime.residency.held]
    for one in holding:
        one.clear()
    if not holding:
        _unload_oldest()
    _collect_garbage()


def _unload_oldest() -> None:
    """Unload the engine used least recently."""
    del _engines[next(iter(_engines))]


def _collect_garbage() -> None:
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # for other programs on the same GPU
