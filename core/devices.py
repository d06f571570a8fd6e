"""Which device and number format a model runs in, and why.

Knows: what torch reports of this machine. Does not know: models beyond their size in parameters.
Decided once per load; the reason is kept as a sentence to show beside the numbers.
"""

from __future__ import annotations

from typing import NamedTuple

import psutil
import torch

from core.errors import InputError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Placement(NamedTuple):
    """device and dtype chosen, with the reason as one sentence."""

    device: torch.device
    dtype: torch.dtype
    reason: str


def choose(parameters: int, device: str | None = None, dtype: str | None = None) -> Placement:
    """Choose for a model of `parameters` weights; what the caller names is taken as it is. Raises InputError."""
    if dtype is not None and dtype not in tuple(_DTYPES):
        raise InputError(f"The number format “{dtype}” is unknown; choose float32, bfloat16 or float16.")
    if device is not None:
        try:
            place = torch.device(device)
            torch.zeros(1, device=place).item()  # “meta” can be allocated but holds nothing
        except (RuntimeError, AssertionError, TypeError) as error:
            reason = str(error).splitlines()[0].rstrip(".")
            raise InputError(f"The device “{device}” cannot be used here ({reason}); try cpu.") from None
        why = f"{device} as asked"
    elif torch.cuda.is_available():
        place, why = torch.device("cuda"), f"GPU {torch.cuda.get_device_name()} found"
    elif torch.backends.mps.is_available():
        place, why = torch.device("mps"), "Apple GPU found"
    else:
        place, why = torch.device("cpu"), "no GPU found"
    if dtype is not None:
        return Placement(place, _DTYPES[dtype], f"{why}; {dtype} as asked")
    if place.type == "cuda" and parameters > 1_000_000_000:
        return Placement(place, torch.bfloat16, f"{why}; bfloat16, the format such models are published in")
    if place.type != "cuda" and 4 * parameters > 0.5 * psutil.virtual_memory().total:
        return Placement(place, torch.bfloat16, f"{why}; bfloat16, because float32 would need over half of the memory")
    return Placement(place, torch.float32, f"{why}; float32, exact and small enough here")
