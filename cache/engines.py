"""The engines kept loaded for every page and every visitor of this process; one, unless more are allowed.

Knows: engines by name, that there is one device, how many may stay. Does not know: pages, prompts, edits.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable

import torch

from core import Engine, load
from core.models.footprint import footprint
from core.models.registry import find_spec
from core.progress import NEVER, QUIET, Progress
from core.settings import MODELS

# What is frozen is not collected when the process ends either, and some libraries then report leaks.
atexit.register(gc.unfreeze)

# Protects `_engines`: without it two first visitors would each load the model.
_lock = threading.Lock()
_engines: dict[str, Engine] = {}  # least recently used first


def is_resident(name: str) -> bool:
    """Whether `resident(name)` would answer at once."""
    return name in _engines and _engines[name].spec == find_spec(name)


def resident(name: str, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Engine:
    """The engine called `name`, loaded on first use; another name replaces it.

    HYDRASCOPE_MODELS lets several stay. Then the one not used for longest leaves first: when there are too many, and as
    long as the next needs more memory (weights and working space, by `core.models.footprint`) than the device has free.
    What the others hold of their SAEs leaves before any of them does. Raises what `core.load` raises; a failed load
    leaves nothing of itself behind and is tried anew next time.
    """
    with _lock:
        if not is_resident(name):  # or its spec has changed since: other layers, say
            most = MODELS.read()
            _engines.pop(name, None)
            while len(_engines) >= most:
                _leave()
            _collect()
            while _engines and _too_large(name):
                _give_way()
            _engines[name] = load(name, progress=progress, cancelled=cancelled)
            # Streamlit collects garbage after every rerun; walking the model's objects each time costs seconds (#8977).
            gc.collect()
            gc.freeze()
        _engines[name] = _engines.pop(name)
        return _engines[name]


def let_go() -> None:
    """Give the memory of all engines back; the next page that needs one loads it again."""
    with _lock:
        _engines.clear()
        _collect()


def in_use() -> tuple[str, ...]:
    """Names of the engines that are held."""
    return tuple(_engines)


def _too_large(name: str) -> bool:
    """Whether the model needs more memory than the device has free now."""
    found = footprint(find_spec(name))
    return found.memory > found.free


def _give_way() -> None:
    """Free some memory: of what is held of the SAEs first, then the model not used for longest."""
    holding = [engine for engine in _engines.values() if engine.sae_bytes]
    for engine in holding:
        engine.release_saes()
    if not holding:
        _leave()
    _collect()


def _leave() -> None:
    """Let the engine go that was not used for longest."""
    del _engines[next(iter(_engines))]


def _collect() -> None:
    gc.unfreeze()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # for other programs on the same GPU
