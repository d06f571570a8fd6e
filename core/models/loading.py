"""From a spec to a loaded runtime: weights, adapter, dictionaries, hooks, device.

Knows: transformers' loaders, the demo base, SAE folders. Does not know: measurements.
Only safetensors weights are read, and no code from a model's folder is ever run.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch

from core import devices
from core.errors import AssetError, InputError
from core.forward import half_precision as upcast
from core.forward.hooks import decoder_layers, install
from core.forward.runtime import Runtime
from core.hub.fetch import Wanted, fetch
from core.models.architecture import outline
from core.models.compatibility import check_hook, check_refusal_tokens, check_width
from core.models.demo_base import base_folder
from core.models.lora import merge_adapter
from core.models.placement import computes_on, layer_devices, offload_folder
from core.models.registry import ModelSpec
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.template import read_template
from core.saes.device_cache import Residency, asked_budget, budget_for
from core.saes.dictionary import Dictionary, open_dictionary
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
#: Shares of the work: the model's files, then the SAEs, then reading the weights.
_MODEL_HERE, _SAES_HERE = 0.4, 0.85


def load_runtime(
    spec: ModelSpec,
    device: devices.Device | None,
    dtype: str | None,
    progress: Progress,
    cancelled: Callable[[], bool] = NEVER,
) -> tuple[Runtime, str]:
    """Load everything `spec` names. Returns the runtime and why device and dtype were chosen.

    cancelled: asked while files are downloaded and packed, and between steps. Raises AssetError, Cancelled,
    DownloadError, InputError.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # `progress` tells; a bar of its own would only write into logs and other people's output
    devices.choose(0, device, dtype)  # a device that cannot be had is said before the long work
    asked_budget()
    source = model_folder(spec, part(progress, 0.0, _MODEL_HERE), cancelled)
    dictionaries = _dictionaries(spec, progress, cancelled)
    progress("Loading the model", _SAES_HERE)
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        empty = outline(spec.name, spec.model_id, source)
        placement = devices.choose(sum(p.numel() for p in empty.parameters()), device, dtype)
        # In its own format from the start: some models round constants to it as they are built, and keep them rounded.
        model: Any = AutoModelForCausalLM.from_pretrained(
            source,
            dtype=torch.float32 if spec.adapter else placement.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            **_spread(spec, placement),
        )
    except (AssetError, InputError):
        raise
    except Exception as error:  # each of half a dozen libraries has its own types for a file it cannot read
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise AssetError(
            f"The model “{spec.name}” cannot be loaded from {spec.model_id} ({reason}); "
            "check the name, the files and the network."
        ) from error
    if spec.adapter is not None:
        progress("Merging the refusal adapter", 0.95)
        merge_adapter(model, spec.adapter)
    model = model.eval().requires_grad_(False)
    if placement.spread is None:
        # Parameters only: transformers keeps rotary frequencies and the like in float32 whatever the weights are in.
        for parameter in model.parameters() if spec.adapter is not None else ():
            parameter.data = parameter.data.to(placement.dtype)
        model = model.to(placement.device)
    config = model.config.get_text_config()
    check_refusal_tokens(spec.refusal_tokens, spec.name, config.vocab_size)
    for layer, dictionary in dictionaries.items():
        check_width(dictionary.name, layer, dictionary.d_model, spec.name, config.num_hidden_layers, config.hidden_size)
    places = layer_devices(decoder_layers(model))
    (first,) = computes_on(model.get_input_embeddings())
    install(model)
    if placement.spread is None and upcast.helps(placement.device, placement.dtype):
        upcast.install(model)
    runtime = Runtime(
        spec=spec,
        model=model,
        tokenizer=tokenizer,
        template=read_template(tokenizer, spec.system),
        dictionaries=dictionaries,
        residency=Residency(budget_for((first, *places))),
        device=first,
        devices=places,
        dtype=placement.dtype,
        n_layers=len(decoder_layers(model)),
        d_model=config.hidden_size,
        context_length=config.max_position_embeddings,
        stop_ids=_stop_ids(model, tokenizer),
    )
    progress("Ready", 1.0)
    return runtime, placement.reason


def _spread(spec: ModelSpec, placement: devices.Placement) -> dict[str, Any]:
    """What from_pretrained is told of a model that is spread over devices. Raises InputError."""
    if placement.spread is None:
        return {}
    if spec.adapter is not None:
        raise InputError(
            f"“{spec.name}” has an adapter to merge, so it cannot be spread; name one device, such as cpu."
        )
    room = devices.room_for_weights() if placement.spread == "auto" else None
    folder = offload_folder(spec.model_id, spec.revision)
    return {"device_map": placement.spread, "max_memory": room, "offload_folder": folder}


def make_ready(spec: ModelSpec, progress: Progress = QUIET, cancelled: Callable[[], bool] = NEVER) -> None:
    """Download and pack everything `spec` names and load nothing, so that another model can go on being used meanwhile.

    Raises AssetError, Cancelled, DownloadError.
    """
    model_folder(spec, part(progress, 0.0, _MODEL_HERE), cancelled)
    _dictionaries(spec, progress, cancelled)


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
        return base_folder(progress)
    if Path(spec.model_id).exists():
        return Path(spec.model_id)
    if Path(spec.model_id).is_absolute() or spec.model_id.startswith((".", "~")):
        raise AssetError(f"The model “{spec.name}” is not in {spec.model_id}; name its folder, or its name on the hub.")
    return fetch(Wanted(spec.model_id, files, revision=spec.revision), progress, cancelled)


def _dictionaries(spec: ModelSpec, progress: Progress, cancelled: Callable[[], bool]) -> dict[int, Dictionary]:
    """Every SAE of the spec, opened from its records, packed (and downloaded) first where there are none."""
    found: dict[int, Dictionary] = {}
    step = (_SAES_HERE - _MODEL_HERE) / max(len(spec.saes), 1)
    for layer, source in sorted(spec.saes.items()):
        of_layer = part(progress, _MODEL_HERE + step * len(found), step)
        of_layer(f"Opening the SAE of layer {layer}", 0.0)
        if isinstance(source, SaeRef):
            found[layer] = open_published(source, layer, of_layer, cancelled)
        else:
            found[layer] = open_dictionary(
                Path(source), layer, partial(of_layer, f"Packing the SAE of layer {layer}"), cancelled
            )
        check_hook(found[layer].name, found[layer].hook, layer)
    return found


def _stop_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    named = model.generation_config.eos_token_id
    ids = set(named if isinstance(named, list) else [] if named is None else [named])
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return frozenset(ids)
