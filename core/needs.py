"""What a model takes, before anything of it is loaded: downloads, disk, memory, and whether it fits this machine.

Knows: the hub's listings, records that are packed already, this machine's devices. Does not know: how anything is
loaded. Nothing is downloaded to find out.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil
import torch
from safetensors import safe_open

from core import devices
from core.demo_base import SMOLLM2
from core.hub import Listing, Wanted, look
from core.hub_errors import size_text
from core.loading import MODEL_FILES
from core.paths import cache_folder
from core.registry import ModelSpec
from core.suites import Published, SaeRef, published

#: Bytes of a weight as checkpoints are published (bfloat16), from which their number is told before they are here.
PUBLISHED_BYTES = 2
#: Of SmolLM2-135M, told before its file is here.
DEMO_PARAMETERS = 134_515_008
#: Working space beside the weights: a share of them for activations and logits, and a floor. Gemma-2-2B's geometry
#: peaks at 6.9 GB with 5.2 GB of weights (`python -m benchmarks --parts geometry`).
_WORK_SHARE, _WORK_FLOOR = 0.3, 400_000_000
#: Layouts whose files are bfloat16, or may be.
_HALF = ("llama_scope", "llama_scope_r1_distill", "goodfire", "deepseek_r1")


@dataclass(frozen=True)
class Needs:
    """Bytes, but for parameters. download: what is still to come. packing: records that are still to be written.
    memory: weights, columns and working space on the device. free: of the device's memory now; disk_free: where records
    go. placement: device and number format, with the reason. gated, needs_token: of the model's repository. saes: how
    many there are, and how many of them are packed already. online: whether the hub could be asked.
    """

    parameters: int
    download: int
    packing: int
    memory: int
    free: int
    disk_free: int
    placement: str
    gated: bool
    needs_token: bool
    saes: int
    saes_packed: int
    online: bool

    @property
    def fits(self) -> bool:
        """Whether it can be loaded here now: memory and disk."""
        return self.memory <= self.free and self.download + self.packing <= self.disk_free

    @property
    def verdict(self) -> str:
        """Whether it fits, in a sentence that says what is short."""
        if self.memory > self.free:
            return (
                f"It needs about {size_text(self.memory)} of memory, and {size_text(self.free)} are free; "
                "close other programs, or choose a smaller model or another number format."
            )
        if self.download + self.packing > self.disk_free:
            return (
                f"It needs {size_text(self.download + self.packing)} of disk, and {size_text(self.disk_free)} are "
                "free; free some, choose fewer layers, or set HYDRASCOPE_CACHE to a larger disk."
            )
        return f"It fits: about {size_text(self.memory)} of memory, and {size_text(self.free)} are free."


def needs(spec: ModelSpec, device: str | None = None, dtype: str | None = None) -> Needs:
    """Look at what a spec takes. Raises DownloadError where the hub has to be asked and cannot be, InputError."""
    model = _model(spec)
    placement = devices.choose(model.parameters, device, dtype)
    every = [published(source) for source in spec.saes.values() if isinstance(source, SaeRef)]
    waiting = [known for known in every if not known.is_packed]
    by_repo: dict[str, list[Published]] = {}
    for known in waiting:
        by_repo.setdefault(known.repo, []).append(known)
    listings = {repo: _look_at(repo, saes) for repo, saes in by_repo.items()}
    held = model.parameters * torch.empty(0, dtype=placement.dtype).element_size()
    asked = [listing for listing in (model.listing, *listings.values()) if listing is not None]
    return Needs(
        parameters=model.parameters,
        download=model.download + sum(listing.missing_bytes for listing in listings.values()),
        packing=sum(listing.total_bytes * _growth(by_repo[repo]) for repo, listing in listings.items()),
        memory=held + max(round(_WORK_SHARE * held), _WORK_FLOOR),
        free=free_memory(placement.device),
        disk_free=_disk_free(),
        placement=f"{placement.device.type}, {str(placement.dtype).removeprefix('torch.')}: {placement.reason}",
        gated=model.listing is not None and model.listing.gated is not None,
        needs_token=model.listing is not None and model.listing.needs_token,
        saes=len(spec.saes),
        saes_packed=len(every) - len(waiting),
        online=all(listing.online for listing in asked),
    )


class _Model(NamedTuple):
    parameters: int
    download: int
    listing: Listing | None


def _model(spec: ModelSpec) -> _Model:
    """The model's weights, wherever they are. Raises DownloadError."""
    if spec.model_id == "demo-base":
        here = any((cache_folder() / "base").glob("*/*.safetensors"))
        return _Model(DEMO_PARAMETERS, 0 if here else SMOLLM2.wheel_bytes, None)
    if (folder := Path(spec.model_id)).is_dir():
        return _Model(sum(map(_parameters, folder.glob("model*.safetensors"))), 0, None)
    listing = look(Wanted(spec.model_id, MODEL_FILES, revision=spec.revision))
    weights = sum(file.bytes for file in listing.files if file.name.endswith(".safetensors"))
    return _Model(weights // PUBLISHED_BYTES, listing.missing_bytes, listing)


def _parameters(path: Path) -> int:
    with safe_open(path, "pt") as file:
        return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (not a dict)


def _look_at(repo: str, saes: list[Published]) -> Listing:
    """All SAEs of one repository in one question."""
    every = [known.wanted for known in saes]
    files = tuple(name for wanted in every for name in wanted.files)
    return look(Wanted(repo, files, inert=any(wanted.inert for wanted in every)))


def _growth(saes: list[Published]) -> int:
    """How many times their files' size the records take, at most: they are float32, and some suites' files half."""
    return 2 if any(known.kind in _HALF for known in saes) else 1


def free_memory(device: torch.device) -> int:
    """Bytes free on a device now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def _disk_free() -> int:
    folder = cache_folder()
    return shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
