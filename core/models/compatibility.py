"""Whether SAEs and refusal tokens fit a model: the checks that are made before a download and again at the load.

Pure functions on numbers and names. Knows: what the sentences are. Does not know: files, or where the numbers are from.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import AssetError, InputError
from core.saes.formats.config import residual_layer


def check_hook(sae: str, hook: str, layer: int) -> None:
    """Raises AssetError for an SAE that reads something else than the residual stream after `layer`.

    hook: empty where its files do not say; then it is taken at its word.
    """
    if hook and residual_layer(hook) != layer:
        raise AssetError(
            f"The SAE {sae} reads {hook}, not the residual stream after layer {layer}. Give the layer it belongs "
            f"to, or use an SAE at blocks.{layer}.hook_resid_post."
        )


def check_width(sae: str, layer: int, reads: int | None, model: str, n_layers: int, d_model: int) -> None:
    """Raises AssetError for an SAE of another width, or at a layer that the model does not have.

    reads: how many numbers it reads, None where its files do not say.
    """
    if layer >= n_layers or reads not in (None, d_model):
        read = f"it reads {reads} numbers, but " if reads is not None else ""
        raise AssetError(
            f"The SAE {sae} does not fit layer {layer} of “{model}”: {read}the model has {n_layers} layers of "
            f"{d_model}, and the first is layer 0. Use an SAE trained on this model."
        )


def check_refusal_tokens(tokens: tuple[int, ...], model: str, vocabulary: int) -> None:
    """Raises InputError for no token, or one the vocabulary does not have."""
    if not tokens or not all(0 <= token < vocabulary for token in tokens):
        raise InputError(
            f"The refusal tokens of “{model}” are {tokens}; give at least one id, each from 0 to {vocabulary - 1}."
        )


def check_not_quantised(model: str, config: Any) -> None:
    """Raises AssetError for weights in a quantised format, which no edit can be exact on. config: `quantization_config`
    of the model's config.json, None where there is none.
    """
    if not config:
        return
    method = config.get("quant_method") if isinstance(config, Mapping) else getattr(config, "quant_method", None)
    named = str(getattr(method, "value", method) or "by no named method")[:40]
    raise AssetError(
        f"{model} is stored quantised ({named}), a format that cannot be read here. Choose the model's unquantised "
        "weights (safetensors in bfloat16, float16 or float32)."
    )
