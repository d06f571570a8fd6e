"""A training beside people who use the pages: each of its forward passes and steps waits until nobody wants the device.

Knows: the device's lock, a model's forward. Does not know: what is trained.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from core.forward.device_lock import DEVICE_LOCK
from core.forward.half_precision import float32_products

#: Held for one step of an SAE's training, as for one forward pass.
STEP = DEVICE_LOCK


@contextmanager
def taking_turns(model: Any) -> Iterator[None]:
    """Inside, each forward pass that the calling thread makes with `model` holds the device's lock, generated token by
    generated token. Half-precision products are done in float32 where the processor is faster so.
    """
    mine = threading.get_ident()

    def before(module: Any, arguments: Any) -> None:
        if threading.get_ident() == mine:
            DEVICE_LOCK.acquire()

    def after(module: Any, arguments: Any, output: Any) -> None:
        if threading.get_ident() == mine:
            DEVICE_LOCK.release()

    # The second is called too when a pass ends in an exception, as a recording's does after its highest layer.
    hooks = [model.register_forward_pre_hook(before), model.register_forward_hook(after, always_call=True)]
    try:
        with float32_products():
            yield
    finally:
        for hook in hooks:
            hook.remove()
