"""Which runtimes are loaded in this process, so that nobody loads the same weights a second time.

Knows: runtimes, weakly: one that its holder lets go is gone here too. Does not know: who holds them (`cache.engines`),
or what one is borrowed for.
"""

from __future__ import annotations

from pathlib import Path
from weakref import WeakValueDictionary

from core.forward.runtime import Runtime
from core.models.digest import model_digest
from core.models.spec import ModelSpec

_known: WeakValueDictionary[int, Runtime] = WeakValueDictionary()


def remember(runtime: Runtime) -> Runtime:
    """Let others find it for as long as something holds it; returns it."""
    _known[id(runtime)] = runtime
    return runtime


def loaded_runtime(spec: ModelSpec, device: str | None = None) -> Runtime | None:
    """A loaded runtime with the weights of `spec`, whatever its SAEs; None where there is none on the named device.

    One whose files were replaced since it was loaded has not the weights that `spec` names now.
    """
    for runtime in list(_known.values()):
        same = _weights(runtime.spec) == _weights(spec) and _is_current(runtime)
        if same and (device is None or device in (runtime.device.type, str(runtime.device))):
            return runtime
    return None


def _weights(spec: ModelSpec) -> tuple[object, ...]:
    """What tells the weights of one spec from those of another."""
    return spec.model_id, spec.revision, spec.adapter


def _is_current(runtime: Runtime) -> bool:
    folder = Path(str(runtime.model.name_or_path))
    return runtime.digests.weights == model_digest(folder, runtime.spec)
