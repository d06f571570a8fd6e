"""Tiny SAEs with random weights in the files and key names of the published suites.

Knows: what Gemma Scope, Gemma Scope 2, Llama Scope, dictionary_learning, Goodfire and SAELens's own format write. Does
not know: where a release keeps them, or what reads them.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from core.saes.formats.open import SAE_FILES, Layout
from core.saes.published import SaeRef, published


def tiny_sae(folder: Path, kind: Layout, layer: int, *, d_model: int = 32, d_sae: int = 48) -> Path:
    """Fill `folder` with the SAE of one layer, so that about half its features fire on residuals of norm √d_model.

    folder: the file itself, where the layout is one file.
    """
    draw = torch.Generator().manual_seed(1000 * list(_MAKERS).index(kind) + layer)
    encoder = torch.randn(d_model, d_sae, generator=draw) / d_model**0.5
    decoder = torch.randn(d_sae, d_model, generator=draw)
    decoder /= decoder.norm(dim=-1, keepdim=True)
    parts = {
        "W_enc": encoder,
        "W_dec": decoder,
        "b_enc": 0.1 * torch.randn(d_sae, generator=draw),
        "b_dec": 0.1 * torch.randn(d_model, generator=draw),
        "threshold": 0.5 * torch.rand(d_sae, generator=draw),
    }
    (folder.parent if SAE_FILES[kind][0] == ("",) else folder).mkdir(parents=True, exist_ok=True)
    _MAKERS[kind](folder, layer, parts)
    return folder


def _gemma_2(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    np.savez(folder / "params.npz", **{name: tensor.numpy() for name, tensor in parts.items()})


def _gemma_3(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    save_file({name.lower(): tensor.contiguous() for name, tensor in parts.items()}, folder / "params.safetensors")
    config = {
        "architecture": "jump_relu",
        "model_name": "gemma-v3-1b-it",
        "hf_hook_point_in": f"model.layers.{layer}.output",
        "width": len(parts["b_enc"]),
        "l0": 60,
        "affine_connection": False,
        "type": "sae",
    }
    (folder / "config.json").write_text(json.dumps(config))


def _llama_scope(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    (folder / "checkpoints").mkdir(exist_ok=True)
    weights = _linear(parts, "encoder", "decoder")
    half = {name: tensor.to(torch.bfloat16).contiguous() for name, tensor in weights.items()}
    save_file(half, folder / "checkpoints" / "final.safetensors")
    d_sae, d_model = weights["encoder.weight"].shape
    config = {
        "act_fn": "jumprelu",
        "jump_relu_threshold": 0.3,
        "d_model": d_model,
        "d_sae": d_sae,
        "expansion_factor": 8,
        "dataset_average_activation_norm": {"in": 8.8125, "out": 8.8125},
        "norm_activation": "dataset-wise",
        "hook_point_in": f"blocks.{layer}.hook_resid_post",
        "hook_point_out": f"blocks.{layer}.hook_resid_post",
        "apply_decoder_bias_to_pre_encoder": False,
        "use_decoder_bias": True,
        "sparsity_include_decoder_norm": True,
    }
    (folder / "hyperparams.json").write_text(json.dumps(config))


def _sae_lens(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    from sae_lens import JumpReLUSAE, JumpReLUSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    d_model, d_sae = parts["W_enc"].shape
    sae = JumpReLUSAE(
        JumpReLUSAEConfig(
            d_in=d_model,
            d_sae=d_sae,
            apply_b_dec_to_input=True,
            dtype="float32",
            device="cpu",
            metadata=SAEMetadata(hook_name=f"blocks.{layer}.hook_resid_post"),
        )
    )
    sae.load_state_dict(parts)
    sae.save_model(str(folder))


def _llama_scope_r1_distill(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    weights = _linear(parts, "encoder", "decoder") | {"log_jumprelu_threshold": (parts["threshold"] + 0.01).log()}
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, folder / "sae_weights.safetensors")
    config = {
        "sae_type": "sae",
        "d_model": parts["W_enc"].shape[0],
        "expansion_factor": 8,
        "act_fn": "jumprelu",
        "hook_point_in": f"blocks.{layer}.hook_resid_post",
        "hook_point_out": f"blocks.{layer}.hook_resid_post",
        "norm_activation": "dataset-wise",
        "use_decoder_bias": True,
    }
    (folder / "config.json").write_text(json.dumps(config))


def _dictionary_learning(folder: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    """The module of the library's BatchTopKSAE, as far as its state dict goes."""
    d_model, d_sae = parts["W_enc"].shape
    module = torch.nn.Module()
    module.register_buffer("k", torch.tensor(8, dtype=torch.int))
    module.register_buffer("threshold", torch.tensor(0.2))
    module.decoder = torch.nn.Linear(d_sae, d_model, bias=False)
    module.encoder = torch.nn.Linear(d_model, d_sae)
    module.b_dec = torch.nn.Parameter(parts["b_dec"])
    module.encoder.weight.data, module.encoder.bias.data = parts["W_enc"].T, parts["b_enc"]
    module.decoder.weight.data = parts["W_dec"].T
    torch.save(module.state_dict(), folder / "ae.pt")
    (folder / "config.json").write_text(json.dumps(dictionary_learning_config("BatchTopKSAE", layer, d_model, d_sae)))


def dictionary_learning_config(dict_class: str, layer: int, d_model: int, d_sae: int) -> dict[str, Any]:
    """config.json of the library's trainers, as far as anyone reads it."""
    trainer = {
        "trainer_class": "BatchTopKTrainer",
        "dict_class": dict_class,
        "lr": 5e-05,
        "steps": 244140,
        "activation_dim": d_model,
        "dict_size": d_sae,
        "k": 8,
        "layer": layer,
        "submodule_name": f"resid_post_layer_{layer}",
        "lm_name": "meta-llama/Llama-3.1-8B-Instruct",
    }
    return {"trainer": trainer, "buffer": {"d_submodule": d_model, "io": "out", "ctx_len": 1024}}


def _goodfire(path: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    torch.save(OrderedDict(_linear(parts, "encoder_linear", "decoder_linear")), path)


def _deepseek_r1(path: Path, layer: int, parts: dict[str, torch.Tensor]) -> None:
    half = {name: tensor.to(torch.bfloat16) for name, tensor in _linear(parts, "encoder", "decoder").items()}
    torch.save(half, path)


def _linear(parts: dict[str, torch.Tensor], encoder: str, decoder: str) -> dict[str, torch.Tensor]:
    """As the state dict of two Linears. Only views are turned: their strides are what is saved."""
    return {
        f"{encoder}.weight": parts["W_enc"].T,
        f"{encoder}.bias": parts["b_enc"],
        f"{decoder}.weight": parts["W_dec"].T,
        f"{decoder}.bias": parts["b_dec"],
    }


_MAKERS = {
    "gemma_2": _gemma_2,
    "gemma_3": _gemma_3,
    "llama_scope": _llama_scope,
    "sae_lens": _sae_lens,
    "llama_scope_r1_distill": _llama_scope_r1_distill,
    "dictionary_learning_1": _dictionary_learning,
    "goodfire": _goodfire,
    "deepseek_r1": _deepseek_r1,
}


def tiny_sizes(ref: SaeRef) -> Callable[..., Any]:
    """SAELens's loader of this suite. Where the files do not say the widths, they are handed to it."""
    from sae_lens.loading.pretrained_sae_loaders import NAMED_PRETRAINED_SAE_LOADERS

    loader = NAMED_PRETRAINED_SAE_LOADERS[published(ref).kind]

    sizes = {"d_in": 32, "d_sae": 48}

    def load(cfg_overrides: dict[str, Any], **others: Any) -> Any:
        said = ("gemma_3", "llama_scope", "dictionary_learning_1")
        return loader(cfg_overrides=cfg_overrides | ({} if published(ref).kind in said else sizes), **others)

    return load
