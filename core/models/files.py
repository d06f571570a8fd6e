"""Which files a model and its SAEs have, and where they lie on this machine; downloaded and packed on first use.

Knows: names of files, hubs, SAE folders. Does not know: weights in memory, devices. Only safetensors weights are
fetched, and no code of a repository.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from core.errors import AssetError
from core.hub.fetch import Wanted, fetch
from core.models.compatibility import check_hook
from core.models.demo_base import base_folder
from core.models.gguf_folder import converted_folder
from core.models.gguf_models import gguf_model
from core.models.spec import ModelSpec
from core.progress import NEVER, QUIET, Progress, part
from core.saes.dictionary import Dictionary
from core.saes.folder import open_dictionary
from core.saes.published import SaeRef, open_published

#: The small files of a model's repository: what it is, and its tokenizer. No code, nothing that could run any.
SMALL_FILES = (
    "config.json",
    "generation_config*.json",
    "tokenizer*",
    "special_tokens_map*.json",
    "added_tokens*.json",
    "chat_template*",
)
#: All that is needed of it. Weights as safetensors only.
MODEL_FILES = ("model*.safetensors*", *SMALL_FILES)
#: Shares of the work of a load: the model's files, then the SAEs, then reading the weights.
MODEL_HERE, SAES_HERE = 0.4, 0.85


def make_ready(spec: ModelSpec, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> None:
    """Download and pack everything `spec` names and load nothing, so that another model can go on being used meanwhile.

    Raises AssetError, Cancelled, DownloadError.
    """
    model_folder(spec, part(progress, 0.0, MODEL_HERE), cancelled)
    open_dictionaries(spec, progress, cancelled)


def model_folder(
    spec: ModelSpec,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
    files: tuple[str, ...] = MODEL_FILES,
) -> Path:
    """Where the model's files lie on this machine, downloaded first if need be; files: which of a hub's.

    Raises AssetError, DownloadError, Cancelled.
    """
    if spec.model_id == "demo-base":
        return base_folder(progress, cancelled)
    if (known := gguf_model(spec.model_id)) is not None:
        return converted_folder(known.source, known.name, progress, cancelled)
    if Path(spec.model_id).exists():
        return Path(spec.model_id)
    if Path(spec.model_id).is_absolute() or spec.model_id.startswith((".", "~")):
        raise AssetError(f"The model “{spec.name}” is not in {spec.model_id}. Give its folder, or its name on the hub.")
    return fetch(Wanted(spec.model_id, files, revision=spec.revision), progress, cancelled)


def open_dictionaries(spec: ModelSpec, progress: Progress, cancelled: Callable[[], bool]) -> dict[int, Dictionary]:
    """Every SAE of the spec, opened from its records, packed (and downloaded) first where there are none."""
    found: dict[int, Dictionary] = {}
    step = (SAES_HERE - MODEL_HERE) / max(len(spec.saes), 1)
    for layer, source in sorted(spec.saes.items()):
        of_layer = part(progress, MODEL_HERE + step * len(found), step)
        of_layer(f"Opening the SAE of layer {layer}", 0.0)
        if isinstance(source, SaeRef):
            found[layer] = open_published(source, layer, of_layer, cancelled)
        else:
            found[layer] = open_dictionary(
                Path(source), layer, partial(of_layer, f"Packing the SAE of layer {layer}"), cancelled
            )
        check_hook(found[layer].name, found[layer].hook, layer)
    return found
