"""Which device and number format a model runs in, and why.

Knows: what torch reports of this machine. Does not know: models beyond their size in parameters.
Decided once per load; the reason is kept as a sentence to show beside the numbers. A model too large for one device is
spread over all there are (transformers' `device_map="auto"`): chosen by itself where there are several GPUs, and where
the device “auto” is asked for also over main memory and disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import psutil
import torch

from core import settings
from core.errors import InputError

#: A device's name, “auto”, or a map from a model's parts to devices as transformers takes it (“disk” is one too).
Device = str | Mapping[str, str | int]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
#: Working space beside the weights: a share of them for activations and logits, and a floor. Gemma-2-2B's geometry
#: peaks at 6.9 GB with 5.2 GB of weights (`python -m benchmarks --parts geometry`).
_WORK_SHARE, _WORK_FLOOR = 0.3, 400_000_000
#: Of main memory that is free, what weights that are spread may take.
_MAIN_SHARE = 0.8


class Placement(NamedTuple):
    """device and dtype chosen, with the reason as one sentence.

    spread: how the weights are laid over several devices, “auto” or a map; None where all are on `device`.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str
    spread: Device | None = None


def placement_for(parameters: int, device: Device | None = None, dtype: str | None = None) -> Placement:
    """Choose for a model of `parameters` weights; what the caller names is taken as it is. Raises InputError.

    device: where none is given, HYDRASCOPE_DEVICE, and without that the best there is. dtype: the same with
    HYDRASCOPE_DTYPE; without that float32 up to a billion weights, where memory allows, and bfloat16 beyond.
    """
    if dtype is None:
        dtype = settings.DTYPE.read()
    if dtype is not None and dtype not in tuple(_DTYPES):
        raise InputError(f"The number format “{dtype}” is unknown; choose float32, bfloat16 or float16.")
    asked: Device | None = settings.DEVICE.read() if device is None else device
    if isinstance(asked, Mapping):
        named = [one for one in dict.fromkeys(asked.values()) if one != "disk"]
        places = [usable(one) for one in named]
        place = next((one for one in places if one.type != "cpu"), torch.device("cpu"))
        what, why = format_for(parameters, place, dtype)
        over = " and ".join(map(str, dict.fromkeys(asked.values())))
        return Placement(place, what, f"on {over} as requested; {why}", asked)
    if asked is not None and asked != "auto":
        place, found = usable(asked), f"{asked} as requested"
    elif torch.cuda.is_available():
        place, found = torch.device("cuda"), f"GPU {torch.cuda.get_device_name()} found"
    elif torch.backends.mps.is_available():
        place, found = torch.device("mps"), "Apple GPU found"
    else:
        place, found = torch.device("cpu"), "no GPU found"
    what, why = format_for(parameters, place, dtype)
    may_spread = asked == "auto" or (asked is None and place.type == "cuda" and torch.cuda.device_count() > 1)
    if may_spread and memory_for(parameters, what) > free_memory(place):
        over = "all GPUs, main memory and disk" if place.type == "cuda" else "main memory and disk"
        return Placement(place, what, f"{found}; too large for this device, so spread over {over}; {why}", "auto")
    return Placement(place, what, f"{found}; {why}")


def usable(device: str | int) -> torch.device:
    """The device, if something can be put on it. Raises InputError."""
    try:
        place = torch.device(device)
        torch.zeros(1, device=place).item()  # “meta” can be allocated but holds nothing
        return place
    except (RuntimeError, AssertionError, TypeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"The device “{device}” cannot be used here ({reason}); try cpu.") from None


def format_for(parameters: int, place: torch.device, dtype: str | None) -> tuple[torch.dtype, str]:
    """The number format, and why."""
    if dtype is not None:
        return _DTYPES[dtype], f"{dtype} as requested"
    if parameters > 1_000_000_000:
        return torch.bfloat16, "bfloat16, the format such models are published in"
    if place.type != "cuda" and 4 * parameters > 0.5 * psutil.virtual_memory().total:
        return torch.bfloat16, "bfloat16, because float32 would need more than half of the memory"
    return torch.float32, "float32, which is exact and fits here"


def memory_for(parameters: int, dtype: torch.dtype) -> int:
    """Bytes of the weights and of the working space beside them."""
    held = parameters * torch.empty(0, dtype=dtype).element_size()
    return held + max(round(_WORK_SHARE * held), _WORK_FLOOR)


def free_memory(device: torch.device) -> int:
    """Bytes of the device's memory that nothing uses now; what torch keeps for later counts as free."""
    if device.type == "cuda":
        kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + kept
    return int(psutil.virtual_memory().available)


def room_for_weights() -> dict[int | str, int]:
    """What a spread model's weights may take of each device, so that working space is left (`max_memory`)."""
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else ()
    main = int(_MAIN_SHARE * free_memory(torch.device("cpu")))
    room: dict[int | str, int] = {
        number: int(free_memory(torch.device("cuda", number)) / (1 + _WORK_SHARE)) for number in gpus
    }
    return room | {"cpu": main}


def fast_bfloat16(device: torch.device) -> bool:
    """Whether this is a processor with a unit for products of bfloat16 matrices (AMX), several times as fast."""
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))
