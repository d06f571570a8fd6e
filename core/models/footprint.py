"""What a model or a judge takes before anything of it is loaded: downloads, disk, memory, whether it fits here.

Knows: the hub's listings, records that are packed already, this machine's devices. Does not know: how anything is
loaded. Nothing is downloaded to find out.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open

from core import devices
from core.errors import AssetError
from core.hub.fetch import Listing, Wanted, look
from core.models.demo_base import SMOLLM2, base_is_here
from core.models.files import MODEL_FILES
from core.models.gguf_folder import is_here
from core.models.gguf_models import gguf_model
from core.models.gguf_source import GgufSource
from core.models.spec import ModelSpec
from core.paths import cache_folder
from core.saes.device_cache import budget_within
from core.saes.folder import unpacked_bytes
from core.saes.published import Published, SaeRef, published, sae_listing
from core.settings import MEMORY
from core.text.pointers import is_pointer, pointer_sentence
from core.text.reasons import reason_of
from core.text.sizes import size_text

#: What to do where the memory is short, for a model and for a judge.
MODEL_ADVICE = (
    "close other programs, choose a smaller model or another number format, or set HYDRASCOPE_DEVICE=auto to spread "
    "it over main memory and disk, which is slow"
)
JUDGE_ADVICE = "unload the current model, close other programs, or choose a smaller judge"
#: A judge's working space beside its weights: a share of them for keys, values and activations of a batch, and a floor.
_JUDGE_WORK_SHARE, _JUDGE_WORK_FLOOR = 0.15, 400_000_000
#: Bytes of a weight as checkpoints are published (bfloat16), from which their number is estimated before the download.
PUBLISHED_BYTES = 2
#: Of SmolLM2-135M, told before its file is here.
DEMO_PARAMETERS = 134_515_008
#: Layouts whose files are bfloat16, or may be.
_HALF = ("llama_scope", "llama_scope_r1_distill", "goodfire", "deepseek_r1")


@dataclass(frozen=True)
class Footprint:
    """What loading a model takes: one that is audited, or a judge's. Bytes, but for `parameters` and the two counts.

    weights: as they are held. memory: weights, working space, and what HYDRASCOPE_MEMORY asks to be held of SAEs; where
    a GGUF file has to be converted first, at least what that takes; 0 where nothing is loaded. free: of the device's
    memory now. download: still to come. converting: disk that a conversion takes beside the download, for a moment.
    packing: SAE records still to be written. disk_free: where all of them go. columns: how much of the SAEs is held,
    asked for or out of what is left free.
    device: its kind; placement: device and number format, with the reason. spread: whether the weights are laid over
    several devices. gated, needs_token: of the repository. saes: how many; saes_packed: of them, packed already.
    online: whether the hub could be asked. advice: what to do where the memory is short.
    """

    parameters: int = 0
    weights: int = 0
    memory: int = 0
    free: int = 0
    download: int = 0
    converting: int = 0
    packing: int = 0
    disk_free: int = 0
    columns: int = 0
    device: str = "cpu"
    placement: str = ""
    spread: bool = False
    gated: bool = False
    needs_token: bool = False
    saes: int = 0
    saes_packed: int = 0
    online: bool = True
    advice: str = MODEL_ADVICE

    @property
    def disk(self) -> int:
        """Bytes that have to be free on the disk."""
        return self.download + self.converting + self.packing

    @property
    def fits(self) -> bool:
        """Whether it can be loaded here now: memory and disk."""
        return (self.memory <= self.free or self.spread) and self.disk <= self.disk_free

    @property
    def verdict(self) -> str:
        """Whether it fits, in a sentence that says what is short and how to fix it."""
        if not self.memory:
            return "It needs no memory."
        if self.memory > self.free and not self.spread:
            return (
                f"It does not fit now. It needs about {size_text(self.memory)} of memory, but "
                f"{size_text(self.free)} is free ({self.device}). To load it, {self.advice}."
            )
        if self.disk > self.disk_free:
            return (
                f"It needs {size_text(self.disk)} of disk space, but {size_text(self.disk_free)} is free. Free some "
                "space, choose fewer layers, or set HYDRASCOPE_CACHE to a folder on a larger disk."
            )
        if self.memory > self.free:
            return (
                f"It needs about {size_text(self.memory)} of memory, but one device has {size_text(self.free)} "
                "free, so it will be spread over several. The parts that are not on a GPU are slow."
            )
        held = f"; up to {size_text(self.columns)} of SAEs are kept there" if self.saes else ""
        return (
            f"It fits. It needs about {size_text(self.memory)} of memory, and {size_text(self.free)} is free "
            f"({self.device}){held}."
        )

    @property
    def summary(self) -> str:
        """Weights, download and licence in a few words."""
        if not self.memory:
            return "no model"
        here = f"{size_text(self.download)} to download" if self.download else "already downloaded"
        gate = ", gated, and no token with access was found" if self.needs_token else ", gated" if self.gated else ""
        return f"{size_text(self.weights)} of weights, {here}{gate}"

    def at_present(self) -> Footprint:
        """The same with the memory that is free now: a footprint may have been kept for a while."""
        return replace(self, free=devices.free_memory(torch.device(self.device))) if self.memory else self


def judge_footprint(
    weights: int, device: str | None = None, *, download: int = 0, gated: bool = False, needs_token: bool = False
) -> Footprint:
    """Of a classifier whose weights have this many bytes. Raises InputError for a device that is not there."""
    place = devices.placement_for(0, device).device
    return Footprint(
        weights=weights,
        memory=weights + max(round(_JUDGE_WORK_SHARE * weights), _JUDGE_WORK_FLOOR),
        free=devices.free_memory(place),
        download=download,
        disk_free=_disk_free(),
        device=place.type,
        gated=gated,
        needs_token=needs_token,
        advice=JUDGE_ADVICE,
    )


def footprint(spec: ModelSpec, device: devices.Device | None = None, dtype: str | None = None) -> Footprint:
    """Of a spec's model and SAEs. Raises DownloadError where the hub has to be asked and cannot be, InputError, and
    AssetError for a folder in which no SAE lies.
    """
    model = _model(spec)
    placement = devices.placement_for(model.parameters, device, dtype)
    every = [published(source) for source in spec.saes.values() if isinstance(source, SaeRef)]
    waiting = [known for known in every if not known.is_packed]
    local = [unpacked_bytes(Path(source)) for source in spec.saes.values() if not isinstance(source, SaeRef)]
    by_repo: dict[str, list[Published]] = {}
    for known in waiting:
        by_repo.setdefault(known.repo, []).append(known)
    listings = {repo: sae_listing(repo, saes) for repo, saes in by_repo.items()}
    memory = max(devices.memory_for(model.parameters, placement.dtype), model.converting.memory)
    free = devices.free_memory(placement.device)
    held = MEMORY.read()
    asked = [listing for listing in (model.listing, *listings.values()) if listing is not None]
    return Footprint(
        parameters=model.parameters,
        weights=model.parameters * placement.dtype.itemsize,
        download=model.download + sum(listing.missing_bytes for listing in listings.values()),
        converting=model.converting.disk,
        packing=sum(local) + sum(found.total_bytes * _growth(by_repo[repo]) for repo, found in listings.items()),
        memory=memory + (held or 0),
        columns=budget_within(max(0, free - memory), placement.device) if held is None else held,
        free=free,
        disk_free=_disk_free(),
        device=placement.device.type,
        placement=f"{placement.device.type}, {str(placement.dtype).removeprefix('torch.')}: {placement.reason}",
        spread=placement.spread is not None,
        gated=model.listing is not None and model.listing.gated is not None,
        needs_token=model.listing is not None and model.listing.needs_token,
        saes=len(spec.saes),
        saes_packed=len(every) - len(waiting) + local.count(0),
        online=all(listing.online for listing in asked),
    )


class _Converting(NamedTuple):
    """Bytes beside the download, for a moment."""

    disk: int = 0
    memory: int = 0


class _Model(NamedTuple):
    parameters: int
    download: int
    listing: Listing | None = None
    converting: _Converting = _Converting()


def _model(spec: ModelSpec) -> _Model:
    """The model's weights, wherever they are. Raises DownloadError."""
    if spec.model_id == "demo-base":
        return _converted(DEMO_PARAMETERS, SMOLLM2, base_is_here())
    if (known := gguf_model(spec.model_id)) is not None:
        return _converted(known.parameters, known.source, is_here(known.name))
    if (folder := Path(spec.model_id)).is_dir():
        return _Model(sum(map(_parameters, folder.glob("model*.safetensors"))), 0)
    listing = look(Wanted(spec.model_id, MODEL_FILES, revision=spec.revision))
    weights = sum(file.bytes for file in listing.files if file.name.endswith(".safetensors"))
    return _Model(weights // PUBLISHED_BYTES, listing.missing_bytes, listing)


def _converted(parameters: int, source: GgufSource, here: bool) -> _Model:
    """A model that is converted from a GGUF file at first use."""
    if here:
        return _Model(parameters, 0)
    disk = max(0, source.disk_needed - source.download_size)
    return _Model(parameters, source.download_size, converting=_Converting(disk, source.memory_needed))


def _parameters(path: Path) -> int:
    """Raises AssetError for a file that holds no weights, such as a Git LFS pointer."""
    try:
        with path.open("rb") as beginning:
            if is_pointer(beginning.read(64)):
                raise AssetError(pointer_sentence(path.name))
        with safe_open(path, "pt") as file:
            return sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise AssetError(
            f"The weights in {path.name} cannot be read ({reason_of(error)}). Download the file again."
        ) from error


def _growth(saes: list[Published]) -> int:
    """How many times their files' size the records take, at most: they are float32, and some suites' files half."""
    return 2 if any(known.kind in _HALF for known in saes) else 1


def _disk_free() -> int:
    folder = cache_folder()
    return shutil.disk_usage(next(parent for parent in (folder, *folder.parents) if parent.exists())).free
