"""Stopping a library's long work on weights, which takes no question from us: between two tensors, by an exception.

Knows: how torch lets a thread see its own operations. Does not know: what the work is, or why it is stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from core.progress import POLL_SECONDS


@contextmanager
def asked_between_tensors(still_wanted: Callable[[], object]) -> Iterator[None]:
    """While the block runs, call `still_wanted` before this thread casts or lays out a tensor, a few times a second at
    most. What it raises ends the block there; a library that holds that back is asked again.
    """
    # Imported here, because torch takes seconds.
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    # Every weight that is read goes through the first, every one that is written through the second. Other operations
    # may be a library's tidying up, which must not be broken off.
    steps = (Tensor.to, Tensor.contiguous)

    class Asking(TorchFunctionMode):
        next_time = 0.0

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func in steps and time.monotonic() >= self.next_time:
                still_wanted()
                self.next_time = time.monotonic() + POLL_SECONDS
            return func(*args, **(kwargs or {}))

    with Asking():
        yield
