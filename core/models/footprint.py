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

from safetensors import safe_open

from core import devices
from core.hub.errors import size_text
from core.hub.fetch import Listing, Wanted, look
from core.models.demo_base import SMOLLM2
from core.models.loading import MODEL_FILES
from core.models.registry import ModelSpec
from core.paths import cache_folder
from core.saes.device_cache import budget_within
from core.saes.dictionary import unpacked_bytes
from core.saes.published import Published, SaeRef, published, sae_listing
from core.settings import MEMORY

#: Bytes of a weight as checkpoints are published (bfloat16), from which their number is told before they are here.
PUBLISHED_BYTES = 2
#: Of SmolLM2-135M, told before its file is here.
DEMO_PARAMETERS = 134_515_008
#: Layouts whose files are bfloat16, or may be.
_HALF = ("llama_scope", "llama_scope_r1_distill", "goodfire", "deepseek_r1")


@dataclass(frozen=True)
class Needs:
    """Bytes, but for parameters. download: what is still to come. packing: records that are still to be written.
    memory: weights and working space on the device, and the columns that HYDRASCOPE_MEMORY asks to be held there.
    columns: how much of the SAEs is held there, asked for or out of what is left. free: of the device's memory now;
    disk_free: where records go. placement: device and number format, with the reason. spread: whether the weights are
    laid over several devices, as one has too little memory or as it was asked. gated, needs_token: of the model's
    repository. saes: how many there are, and how many of them are packed already. online: whether the hub could be
    asked.
    """

    parameters: int
    download: int
    packing: int
    memory: int
    columns: int
    free: int
    disk_free: int
    placement: str
    spread: bool
    gated: bool
    needs_token: bool
    saes: int
    saes_packed: int
    online: bool

    @property
    def fits(self) -> bool:
        """Whether it can be loaded here now: memory and disk."""
        return (self.memory <= self.free or self.spread) and self.download + self.packing <= self.disk_free

    @property
    def verdict(self) -> str:
        """Whether it fits, in a sentence that says what is short."""
        if self.memory > self.free and not self.spread:
            return (
                f"It needs about {size_text(self.memory)} of memory, and {size_text(self.free)} are free; "
                "close other programs, choose a smaller model or another number format, or set HYDRASCOPE_DEVICE=auto "
                "to spread it over main memory and disk, where it runs slowly."
            )
        if self.download + self.packing > self.disk_free:
            return (
                f"It needs {size_text(self.download + self.packing)} of disk, and {size_text(self.disk_free)} are "
                "free; free some, choose fewer layers, or set HYDRASCOPE_CACHE to a larger disk."
            )
        if self.memory > self.free:
            return (
                f"It needs about {size_text(self.memory)} of memory, and one device has {size_text(self.free)} free, "
                "so it will be spread over what there is; what does not lie on a GPU is slow."
            )
        return (
            f"It fits: about {size_text(self.memory)} of memory, and {size_text(self.free)} are free; "
            f"up to {size_text(self.columns)} of SAEs are held there."
        )


def needs(spec: ModelSpec, device: devices.Device | None = None, dtype: str | None = None) -> Needs:
    """Look at what a spec takes. Raises DownloadError where the hub has to be asked and cannot be, InputError, and
    AssetError for a folder in which no SAE lies.
    """
    model = _model(spec)
    placement = devices.choose(model.parameters, device, dtype)
    every = [published(source) for source in spec.saes.values() if isinstance(source, SaeRef)]
    waiting = [known for known in every if not known.is_packed]
    local = [unpacked_bytes(Path(source)) for source in spec.saes.values() if not isinstance(source, SaeRef)]
    by_repo: dict[str, list[Published]] = {}
    for known in waiting:
        by_repo.setdefault(known.repo, []).append(known)
    listings = {repo: sae_listing(repo, saes) for repo, saes in by_repo.items()}
    memory, free = devices.memory_for(model.parameters, placement.dtype), devices.free_memory(placement.device)
    held = MEMORY.read()
    asked = [listing for listing in (model.listing, *listings.values()) if listing is not None]
    return Needs(
        parameters=model.parameters,
        download=model.download + sum(listing.missing_bytes for listing in listings.values()),
        packing=sum(local) + sum(found.total_bytes * _growth(by_repo[repo]) for repo, found in listings.items()),
        memory=memory + (held or 0),
        columns=budget_within(max(0, free - memory), placement.device) if held is None else held,
        free=free,
        disk_free=_disk_free(),
        placement=f"{placement.device.type}, {str(placement.dtype).removeprefix('torch.')}: {placement.reason}",
        spread=placement.spread is not None,
        gated=model.listing is not None and model.listing.gated is not None,
        needs_token=model.listing is not None and model.listing.needs_token,
        saes=len(spec.saes),
        saes_packed=len(every) - len(waiting) + local.count(0),
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


def _growth(saes: list[Published]) -> int:
    """How many times their files' size the records take, at most: they are float32, and some suites' files half."""
    return 2 if any(known.kind in _HALF for known in saes) else 1


def _disk_free() -> int:
    folder = cache_folder()
    return shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
