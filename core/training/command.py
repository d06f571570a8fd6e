"""What `hydrascope saes train` and the Models page call: SAEs for a model by its name, with the shipped prompts.

Knows: the registry, where a model's files lie, the shipped prompts. Does not know: arguments as people type them,
terminals, pages, queues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from core import devices
from core.errors import InputError
from core.models.files import model_folder
from core.models.registry import find_spec
from core.models.spec import ModelSpec
from core.paths import cache_folder
from core.progress import NEVER, QUIET, Progress, part
from core.prompts.shipped import prompts_file, read_shipped
from core.training.pipeline import Texts, batch_sizes_for, train_saes
from core.training.settings import TrainingSettings


def training_folder(spec: ModelSpec) -> Path:
    """Where the recordings, checkpoints and SAEs of a model's training lie."""
    return cache_folder() / "training" / spec.name.replace("/", "-")


def shipped_texts_for_training(more: Sequence[str] = ()) -> Texts:
    """The shipped prompts of the training split, and more if given; held out are those of the other splits."""
    shipped = read_shipped(prompts_file())
    held = [prompt.text for prompt in shipped if prompt.split != "train"]
    train = [prompt.text for prompt in shipped if prompt.split == "train"] + [text for text in more if text.strip()]
    often = [prompt.text for prompt in shipped if prompt.split == "train" and prompt.kind == "harmful"]
    taken = set(held)
    return Texts([text for text in dict.fromkeys(train) if text not in taken], held, often)


def train_for(
    name: str,
    settings: TrainingSettings,
    *,
    prompts: Sequence[str] = (),
    device: str | None = None,
    dtype: str | None = None,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> tuple[Path, dict[int, dict[str, Any]]]:
    """Train SAEs for the model called `name`. Returns their folder, which `models add` takes, and layer → card.

    prompts: to train on beside the shipped ones. Goes on with a training of the same settings that was stopped. Raises
    UnknownModelError, InputError for layers the model does not have, AssetError, DownloadError, Cancelled.
    """
    spec = find_spec(name)
    if spec.adapter is not None:
        raise InputError(f"“{spec.name}” uses an adapter. Train its SAEs with scripts/demo.")
    model, tokenizer = _plain(spec, settings, device, dtype, part(progress, 0.0, 0.1), cancelled)
    folder = training_folder(spec)
    cards = train_saes(
        model,
        tokenizer,
        shipped_texts_for_training(prompts),
        settings,
        folder,
        model_name=spec.model_id,
        sizes=batch_sizes_for(model.device),
        progress=part(progress, 0.1, 0.9),
        cancelled=cancelled,
    )
    return folder / "saes", cards


def _plain(
    spec: ModelSpec,
    settings: TrainingSettings,
    device: str | None,
    dtype: str | None,
    progress: Progress,
    cancelled: Callable[[], bool],
) -> tuple[Any, Any]:
    """The plain transformers model on one device, and its tokenizer: no hooks, no edits."""
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    source = model_folder(spec, progress, cancelled)
    config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    count = config.get_text_config().num_hidden_layers
    if max(settings.layers) >= count:
        raise InputError(f"“{spec.name}” has layers 0 to {count - 1}, so layer {max(settings.layers)} does not exist.")
    with torch.device("meta"):
        empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    placement = devices.placement_for(sum(p.numel() for p in empty.parameters()), device, dtype)
    model: Any = AutoModelForCausalLM.from_pretrained(
        source, dtype=placement.dtype, use_safetensors=True, trust_remote_code=False
    )
    model = model.to(placement.device).eval().requires_grad_(False)
    return model, AutoTokenizer.from_pretrained(source, trust_remote_code=False)
