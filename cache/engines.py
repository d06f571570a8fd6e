"""The engines that stay loaded for every page and every visitor of this process; one, unless more are allowed.

Knows: engines by name, that there is one device, how many may stay loaded. Does not know: pages, prompts, edits.
"""

from __future__ import annotations

import atexit
import gc
import threading
from collections.abc import Callable
from pathlib import Path

import torch

from cache.record_check import RecordCheck
from core import Engine, load
from core.forward.device_lock import DEVICE_LOCK
from core.models.footprint import footprint
from core.models.registry import find_spec
from core.progress import NEVER, QUIET, Progress
from core.settings import MODELS

# Streamlit collects garbage after every rerun, and would each time walk through the objects of every import: what is
# imported by now is never garbage. Frozen objects are not collected at the end of the process either, and some
# libraries then report leaks.
gc.freeze()
atexit.register(gc.unfreeze)


#: Seconds that the end of the process waits for a forward at most.
LAST_FORWARD = 30.0


@atexit.register
def hold_the_device() -> None:
    """At the end of the process: wait for the forward under way, and let none begin.

    A thread that is torn out of torch's C++ when the interpreter ends aborts the process (“terminate called …”).
    """
    DEVICE_LOCK.acquire(timeout=LAST_FORWARD)


# Protects `_engines`: without it two first visitors would each load the model.
_lock = threading.Lock()
_engines: dict[str, Engine] = {}  # least recently used first
_checks: dict[str, RecordCheck] = {}  # of the same engines


def is_loaded(name: str) -> bool:
    """Whether this model is loaded as its spec is now, so that `get_engine(name)` answers at once."""
    return name in _engines and _engines[name].spec == find_spec(name)


def get_engine(name: str, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> Engine:
    """The engine called `name`, loaded on first use; another name replaces it.

    HYDRASCOPE_MODELS lets several stay. Then the one used least recently is unloaded first: when there are too many,
    and while the next needs more memory (weights and working space, by `core.models.footprint`) than the device has
    free. What the others hold of their SAEs is freed before any of them is unloaded. Raises what `core.load` raises; a
    failed load leaves nothing behind, and the next call tries again.
    """
    with _lock:
        if not is_loaded(name):  # or its spec has changed since: other layers, say
            limit = MODELS.read()
            if name in _engines:
                _unload(name)
            while len(_engines) >= limit:
                _unload_oldest()
            _collect_garbage()
            while _engines and _too_large(name):
                _free_some()
            _engines[name] = load(name, progress=progress, cancelled=cancelled)
            _freeze()
            _checks[name] = RecordCheck(_engines[name].runtime.dictionaries.values())
        _engines[name] = _engines.pop(name)
        return _engines[name]


def engine_of(model_id: str, revision: str | None, adapter: Path | None) -> Engine | None:
    """A loaded engine with these weights, whatever its SAEs; None where there is none."""
    wanted = (model_id, revision, adapter)
    every = list(_engines.values())
    return next((one for one in every if (one.spec.model_id, one.spec.revision, one.spec.adapter) == wanted), None)


def unload_all() -> None:
    """Free the memory of all engines; the next page that needs one loads it again."""
    with _lock:
        for name in list(_engines):
            _unload(name)
        _collect_garbage()


def loaded_names() -> tuple[str, ...]:
    """The names of the engines that are loaded."""
    return tuple(_engines)


def _too_large(name: str) -> bool:
    """Whether the model needs more memory than the device has free now."""
    found = footprint(find_spec(name))
    return found.memory > found.free


def _free_some() -> None:
    """Free some memory: what engines hold of their SAEs first, then the engine used least recently."""
    holding = [engine for engine in _engines.values() if engine.sae_bytes]
    for engine in holding:
        engine.release_saes()
    if not holding:
        _unload_oldest()
    _collect_garbage()


def _unload_oldest() -> None:
    """Unload the engine used least recently."""
    _unload(next(iter(_engines)))


def _unload(name: str) -> None:
    if name in _checks:
        _checks.pop(name).stop()
    del _engines[name]


def _freeze() -> None:
    """Put what is alive out of the collector's sight. Streamlit collects garbage after every rerun; walking through the
    objects of every import and of the model each time would cost seconds (streamlit #8977).
    """
    gc.collect()
    gc.freeze()


def _collect_garbage() -> None:
    gc.unfreeze()
    _freeze()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()  # for other programs on the same GPU
