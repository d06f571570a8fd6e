"""The small files beside an SAE's weights: what they say of it before the weights are here.

Knows: which layouts have such a file, and what stands in it. Does not know: weights, where files come from, models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import AssetError
from core.saes.formats.torch_suites import check_class
from core.schemas.saes import (
    DictionaryLearningConfig,
    GemmaScope2Config,
    LlamaScopeConfig,
    SaeLensConfig,
    SaeLensMetadata,
)
from core.schemas.schema import checked
from core.shaped import read
from core.text.reasons import reason_of

#: Layout → its small file; layouts that are not named have none.
CONFIG_FILES: Mapping[str, str] = {
    "sae_lens": "cfg.json",
    "gemma_3": "config.json",
    "llama_scope": "hyperparams.json",
    "llama_scope_r1_distill": "config.json",
    "dictionary_learning_1": "config.json",
}


@dataclass(frozen=True)
class SaeConfig:
    """What an SAE's files say of it. d_model: how many numbers it reads, None where they do not say; d_sae the same of
    its features. hook: where it
    reads, in the words of its makers, empty where they do not say. architecture and normalised: SAELens's words.
    subtracts_bias: whether b_dec is subtracted from the input (SAELens: apply_b_dec_to_input). dict_class: the class of
    an SAE of the library dictionary_learning. centred: whether it was trained on a model whose writing weights were
    centred (TransformerLens's center_writing_weights), so that its inputs have a mean of 0. trained_on: the model it
    was trained on, in its makers' words, empty where they do not say.
    """

    d_model: int | None = None
    hook: str = ""
    architecture: str = "jumprelu"
    normalised: str = "none"
    subtracts_bias: bool = False
    dict_class: str = ""
    centred: bool = False
    d_sae: int | None = None
    trained_on: str = ""


def read_config(kind: str, folder: Path) -> SaeConfig:
    """What the small file in `folder` says; nothing where there is none. Raises AssetError."""
    name = CONFIG_FILES.get(kind)
    if name is None or not (folder / name).is_file():
        return SaeConfig()
    try:
        return _READERS[kind](folder)
    except Exception as error:  # JSON of any shape: whatever it lacks, the file is not what its name says
        raise unreadable(folder, error) from error


def unreadable(folder: Path, error: Exception) -> AssetError:
    """For files that are not what their names say."""
    return AssetError(f"SAELens cannot read the SAE in {folder} ({reason_of(error)}). Restore its files.")


def check_editable(config: SaeConfig, folder: Path | str) -> None:
    """Raises AssetError for an SAE whose features do not act one by one."""
    if config.architecture not in ("jumprelu", "standard"):
        raise AssetError(
            f"The SAE in {folder} is a “{config.architecture}” SAE. Only elementwise SAEs (JumpReLU, ReLU) can be "
            "edited by column."
        )
    if config.dict_class:
        check_class(config.dict_class, folder)
    if why := other_inputs(config.normalised, config.centred):
        raise AssetError(f"The SAE in {folder} {why}")


def other_inputs(normalised: str, centred: bool) -> str:
    """Why an SAE is refused that reads something else than the residual stream as it is: how its sentence ends; empty
    where it reads that. Its features here would be others than those it was trained for."""
    if normalised != "none":
        return f"normalises its inputs ({normalised}). Fold the scaling into its weights first."
    if centred:
        return (
            "was trained on a residual stream whose mean over its dimensions was taken out (center_writing_weights), "
            "and here the model is as it was published. Choose another SAE."
        )
    return ""


def is_centred(loaded_with: Any) -> bool:
    """Whether the model that an SAE was trained on had its writing weights centred. loaded_with: SAELens's
    model_from_pretrained_kwargs."""
    return bool(isinstance(loaded_with, dict) and loaded_with.get("center_writing_weights"))


def residual_layer(hook: str) -> int | None:
    """The decoder layer after which a hook point reads the residual stream; None for any other hook point.

    What reads before the first layer is -1: it reads embeddings.
    """
    if found := re.search(r"blocks\.(\d+)\.hook_resid_(pre|post)", hook):
        return int(found[1]) - (found[2] == "pre")
    # transformers' own names: model.layers.2, transformer.h.2; nnsight's with .output behind them.
    if found := re.search(r"(?:^|\.)(?:layers|h)\.(\d+)(?:\.output)?$", hook):
        return int(found[1])
    return None


def _sae_lens(folder: Path) -> SaeConfig:
    from sae_lens.loading.pretrained_sae_loaders import get_sae_lens_config_from_disk, handle_config_defaulting

    config = checked(SaeLensConfig, handle_config_defaulting(get_sae_lens_config_from_disk(folder, "cpu")))
    about = config.metadata or SaeLensMetadata()
    return SaeConfig(
        config.d_in,
        about.hook_name or "",
        config.architecture,
        config.normalize_activations or "none",
        config.apply_b_dec_to_input,
        centred=is_centred(about.model_from_pretrained_kwargs),
        d_sae=config.d_sae,
        trained_on=about.model_name or "",
    )


def _gemma_3(folder: Path) -> SaeConfig:
    return SaeConfig(None, read(GemmaScope2Config, folder / "config.json").hf_hook_point_in or "")


def _llama_scope(folder: Path) -> SaeConfig:
    return _with_hook_point(read(LlamaScopeConfig, folder / "hyperparams.json"))


def _llama_scope_r1_distill(folder: Path) -> SaeConfig:
    return _with_hook_point(read(LlamaScopeConfig, folder / "config.json"))


def _with_hook_point(config: LlamaScopeConfig) -> SaeConfig:
    return SaeConfig(config.d_model, config.hook_point_in or "")


def _dictionary_learning(folder: Path) -> SaeConfig:
    trainer = read(DictionaryLearningConfig, folder / "config.json").trainer
    return SaeConfig(trainer.activation_dim, f"blocks.{trainer.layer}.hook_resid_post", dict_class=trainer.dict_class)


_READERS: Mapping[str, Callable[[Path], SaeConfig]] = {
    "sae_lens": _sae_lens,
    "gemma_3": _gemma_3,
    "llama_scope": _llama_scope,
    "llama_scope_r1_distill": _llama_scope_r1_distill,
    "dictionary_learning_1": _dictionary_learning,
}
