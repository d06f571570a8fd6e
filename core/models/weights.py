"""A model's weights in memory: read as safetensors in the format of this machine, adapter merged, on their devices.

Knows: transformers' loaders and a placement. Does not know: where files come from, hooks, SAEs. No code from a model's
folder is ever run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch

from core import devices
from core.errors import AssetError, InputError
from core.models.architecture import empty_model
from core.models.lora import merge_adapter
from core.models.placement import offload_folder
from core.models.spec import ModelSpec
from core.models.tokenizer import load_tokenizer
from core.text.reasons import reason_of


class Weights(NamedTuple):
    """model: in evaluation mode, without gradients. tokenizer: transformers' own. placement: where it is, and why."""

    model: Any
    tokenizer: Any
    placement: devices.Placement


def load_weights(spec: ModelSpec, folder: Path, device: devices.Device | None, dtype: str | None) -> Weights:
    """Read the model and its tokenizer from `folder`. Raises AssetError, InputError."""
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # the caller reports progress; a second bar would only fill logs
    tokenizer = load_tokenizer(spec.name, spec.model_id, folder)
    try:
        empty = empty_model(spec.name, spec.model_id, folder)
        placement = devices.placement_for(sum(p.numel() for p in empty.parameters()), device, dtype)
        # In its final format from the start: some models round constants to it as they are built, and keep them so.
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32 if spec.adapter else placement.dtype,
            use_safetensors=True,
            trust_remote_code=False,
            **_spread(spec, placement),
        )
    except (AssetError, InputError):
        raise
    except Exception as error:  # each of half a dozen libraries has its own types for a file it cannot read
        raise AssetError(
            f"The model “{spec.name}” cannot be loaded from {spec.model_id} ({reason_of(error)}). Check the name, "
            "the files and the network."
        ) from error
    if spec.adapter is not None:
        merge_adapter(model, spec.adapter)
    model = model.eval().requires_grad_(False)
    _check_finite(model, spec)
    if placement.spread is None:
        # Parameters only: transformers keeps rotary frequencies and the like in float32 whatever the weights are in.
        for parameter in model.parameters() if spec.adapter is not None else ():
            parameter.data = parameter.data.to(placement.dtype)
        model = model.to(placement.device)
    return Weights(model, tokenizer, placement)


def _check_finite(model: Any, spec: ModelSpec) -> None:
    """Raises AssetError for a weight that is NaN or infinite. One pass over each: the extremes tell of both."""
    for name, parameter in model.named_parameters():
        if parameter.device.type == "meta" or not parameter.is_floating_point() or not parameter.numel():
            continue
        if not torch.stack(torch.aminmax(parameter.detach())).isfinite().all():
            raise AssetError(
                f"The model “{spec.name}” has a weight that is not finite (NaN or infinity) in {name}. Its files are "
                "damaged, or its training went wrong. Download it again, or use another model."
            )


def _spread(spec: ModelSpec, placement: devices.Placement) -> dict[str, Any]:
    """Arguments of from_pretrained for a model that is spread over devices. Raises InputError."""
    if placement.spread is None:
        return {}
    if spec.adapter is not None:
        raise InputError(
            f"“{spec.name}” has an adapter to merge, so it cannot be spread over devices. Choose one device, such "
            "as cpu."
        )
    room = devices.room_for_weights() if placement.spread == "auto" else None
    folder = offload_folder(spec.model_id, spec.revision)
    return {"device_map": placement.spread, "max_memory": room, "offload_folder": folder}
