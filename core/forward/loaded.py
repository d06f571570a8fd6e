"""Which runtimes are loaded in this process, so that nobody loads the same weights a second time.

Knows: runtimes, weakly: one that its holder lets go is gone here too. Does not know: who holds them (`cache.engines`),
or what one is borrowed for.
"""

from __future__ import annotations

from weakref import WeakValueDictionary

from core.forward.runtime import Runtime
from core.models.spec import ModelSpec

_known: WeakValueDictionary[int, Runtime] = WeakValueDictionary()


def remember(runtime: Runtime) -> Runtime:
    """Let others find it for as long as something holds it; returns it."""
    _known[id(runtime)] = runtime
    return runtime


def loaded_runtime(spec: ModelSpec, device: str | None = None) -> Runtime | None:
    """A loaded runtime with the weights of `spec`, whatever its SAEs; None where there is none on the named device."""
    for runtime in list(_known.values()):
        same = _weights(runtime.spec) == _weights(spec)
        if same and (device is None or device in (runtime.device.type, str(runtime.device))):
            return runtime
    return None


def _weights(spec: ModelSpec) -> tuple[object, ...]:
    """What tells the weights of one spec from those of another."""
    return spec.model_id, spec.revision, spec.adapter
