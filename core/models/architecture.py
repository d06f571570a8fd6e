"""A model's architecture: where its decoder layers are, and what its config.json alone says of layers and sizes.

Knows: what transformers can build by itself, and what the hooks of `core.forward` look for. Does not know: weights,
tokenizers, SAEs. No code from a model's folder is ever run.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
import transformers
from torch import nn

from core.errors import AssetError
from core.schemas.weights import ModelConfig
from core.shaped import read
from core.text.reasons import reason_of

_Kind = TypeVar("_Kind", bound=nn.Module)
#: Where transformers' architectures keep them.
_LAYERS = ("model.layers", "model.language_model.layers", "transformer.h", "gpt_neox.layers")
_FINAL_NORMS = ("model.norm", "model.language_model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm")


def decoder_layers(model: nn.Module) -> nn.ModuleList:
    """The decoder blocks of a transformers causal language model. Raises AssetError."""
    return _module_at(model, _LAYERS, nn.ModuleList, "decoder layers")


def final_norm(model: nn.Module) -> nn.Module:
    """The norm between the last decoder layer and the head. Raises AssetError."""
    return _module_at(model, _FINAL_NORMS, nn.Module, "final norm")


def _module_at(model: nn.Module, paths: Sequence[str], kind: type[_Kind], what: str) -> _Kind:
    """The first module of this kind at one of the paths. what: what it is, for the error. Raises AssetError."""
    for path in paths:
        found: Any = model
        for name in path.split("."):
            found = getattr(found, name, None)
        if isinstance(found, kind):
            return found
    raise AssetError(
        f"{type(model).__name__} has no {what} in the usual place. Use a Llama-, Gemma- or GPT-like model."
    )


class LayerPart(NamedTuple):
    """module: the attention or MLP of a decoder layer. adds: what puts out that which is added to the residual stream:
    the module itself, or the norm that stands behind it (Gemma 2 and 3, OLMo 2, GLM 4)."""

    module: nn.Module
    adds: nn.Module


#: Architectures whose code fixes how many rows there are before the first layer. Here, layers below the lowest edit are
#: shared by all sets of edits, and rows begin only after these.
_COUNT_ROWS = ("gpt_bigcode",)
#: What a decoder layer's parts are called by transformers' architectures, and the norms that stand behind them. Llama
#: also has a `post_attention_layernorm`, before its MLP; it stands behind the attention only where the MLP has one too.
_PARTS = {"attention": ("self_attn", "attn", "attention"), "mlp": ("mlp",)}
_NORMS_BEHIND = (
    {"attention": "post_attention_layernorm", "mlp": "post_feedforward_layernorm"},
    {"attention": "post_self_attn_layernorm", "mlp": "post_mlp_layernorm"},
)


def layer_parts(layer: nn.Module) -> dict[str, LayerPart]:
    """“attention” and “mlp” of a decoder layer, those that it has under a usual name.

    By names alone: whether the two add up to what the layer writes is for a measurement to check.
    """
    behind = next((names for names in _NORMS_BEHIND if all(hasattr(layer, n) for n in names.values())), {})
    found = {}
    for part, names in _PARTS.items():
        module = next((one for name in names if isinstance(one := getattr(layer, name, None), nn.Module)), None)
        if module is not None:
            found[part] = LayerPart(module, getattr(layer, behind[part]) if behind else module)
    return found


def empty_model(name: str, model_id: str, folder: Path) -> Any:
    """The causal language model that the folder's config.json describes, its parameters on the meta device.

    name, model_id: for the sentence of what is wrong. Raises AssetError: no config, an architecture that transformers
    does not know or knows only with code from the repository, no causal language model, no decoder layers.
    """
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING

    def cannot(why: str) -> AssetError:
        return AssetError(f"The model “{name}” cannot be loaded from {model_id}: {why}")

    try:
        raw = read(ModelConfig, folder / "config.json")
        kind, own_code = raw.model_type, raw.auto_map
    except (OSError, ValueError) as error:
        raise cannot(
            f"its config.json cannot be read ({reason_of(error)}); give the folder of a model, or restore the file."
        ) from error
    if kind not in CONFIG_MAPPING and own_code:
        raise cannot(
            f"its architecture “{kind}” needs code from its repository, which Hydrascope never runs; choose a model "
            "that transformers supports without such code."
        )
    if kind not in CONFIG_MAPPING:
        raise cannot(
            f"transformers {transformers.__version__} does not support the architecture “{kind}”; check the "
            "model_type in its config.json, or choose another model."
        )
    if kind in _COUNT_ROWS:
        raise cannot(
            f"a “{kind}” counts its rows before its layers, so several sets of edits cannot be measured in one pass; "
            "choose a model of another architecture."
        )
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
            raise cannot(f"a “{kind}” is not a causal language model; choose a chat model that generates text.")
        with torch.device("meta"):
            empty = AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except AssetError:
        raise
    except Exception as error:  # sizes that cannot be, in whatever way each architecture says so
        raise cannot(f"its config.json does not describe a model ({reason_of(error)}); restore the file.") from error
    decoder_layers(empty)
    if getattr(empty.config.get_text_config(), "max_position_embeddings", None) is None:
        raise cannot("its config.json does not set the longest prompt (max_position_embeddings); add it.")
    return empty
