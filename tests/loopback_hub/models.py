"""Tiny causal language models with random weights, in the files, config fields and key names of the real ones.

Knows: what the repositories of Gemma 2, Llama 3.1 and Gemma 3 hold. Does not know: how they are served, or SAEs.
config.json is written as it stands on the hub, not as transformers of today would write it, so that what loads it is
tested on what people download; sizes alone are small.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import save_file

from tests.loopback_hub import tokenizers

Family = Literal["gemma2", "llama3.1", "gemma3", "gemma3-4b"]
FAMILIES: tuple[Family, ...] = get_args(Family)
MULTIMODAL = "gemma3-4b"


def tiny_causal_lm(
    folder: Path,
    family: Family,
    *,
    layers: int = 6,
    d_model: int = 32,
    shards: int = 1,
    seed: int = 0,
    vocabulary: int | None = None,
) -> Path:
    """Fill `folder` with a model and tokenizer of this family, weights bfloat16 as in the real ones. Returns it.

    "gemma3" is text only, as 270m and 1b are; "gemma3-4b" has the vision tower beside its language model. The sixth
    layer of Gemma 3 is the first with full attention. shards: safetensors files, with an index if more than one.
    vocabulary: rows of the embedding, where they are to be more than the tokenizer has words, as in the real ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if family == "llama3.1":
        tokenizer = tokenizers.llama31(folder)
    else:
        tokenizer = tokenizers.gemma(folder, 2 if family == "gemma2" else 3)
    size = vocabulary or tokenizer.get_vocab_size()
    ids = {name: tokenizer.token_to_id(name) for name in tokenizer.get_vocab()}
    config = _config(family, ids, size, layers, d_model)
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    stops = config["eos_token_id"]
    begin = ids.get("<bos>", ids.get("<|begin_of_text|>"))
    generation = {"bos_token_id": begin, "eos_token_id": stops, "do_sample": True, "temperature": 0.6, "top_p": 0.9}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=2))
    _save_weights(folder, _weights(folder, seed), shards)
    return folder


def _config(family: Family, ids: dict[str, int], size: int, layers: int, d_model: int) -> dict[str, Any]:
    shape = {
        "hidden_size": d_model,
        "intermediate_size": 2 * d_model,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": size,
    }
    common = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.42.4",
    }
    if family == "llama3.1":
        stops = [ids[name] for name in ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>")]
        return (
            shape
            | common
            | {
                "architectures": ["LlamaForCausalLM"],
                "model_type": "llama",
                "bos_token_id": ids["<|begin_of_text|>"],
                "eos_token_id": stops,
                "hidden_act": "silu",
                "max_position_embeddings": 131072,
                "mlp_bias": False,
                "pretraining_tp": 1,
                "rms_norm_eps": 1e-05,
                "rope_theta": 500000.0,
                "tie_word_embeddings": False,
                "rope_scaling": {
                    "factor": 8.0,
                    "low_freq_factor": 1.0,
                    "high_freq_factor": 4.0,
                    "original_max_position_embeddings": 8192,
                    "rope_type": "llama3",
                },
            }
        )
    gemma = {
        "bos_token_id": 2,
        "eos_token_id": [1, ids["<end_of_turn>"]],
        "pad_token_id": 0,
        "rms_norm_eps": 1e-06,
        "cache_implementation": "hybrid",
        "head_dim": d_model // 4,
        "query_pre_attn_scalar": d_model // 4,
        "hidden_activation": "gelu_pytorch_tanh",
    }
    if family == "gemma2":
        return (
            shape
            | common
            | gemma
            | {
                "architectures": ["Gemma2ForCausalLM"],
                "model_type": "gemma2",
                "hidden_act": "gelu_pytorch_tanh",
                "attn_logit_softcapping": 50.0,
                "final_logit_softcapping": 30.0,
                "max_position_embeddings": 8192,
                "rope_theta": 10000.0,
                "sliding_window": 4096,
            }
        )
    text = (
        shape
        | gemma
        | {
            "model_type": "gemma3_text",
            "attn_logit_softcapping": None,
            "final_logit_softcapping": None,
            "max_position_embeddings": 32768,
            "rope_local_base_freq": 10000,
            "rope_scaling": None,
            "rope_theta": 1000000,
            "sliding_window": 512,
            "sliding_window_pattern": 6,
        }
    )
    if family == "gemma3":
        return text | common | {"architectures": ["Gemma3ForCausalLM"]}
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "model_type": "gemma3",
        "initializer_range": 0.02,
        "boi_token_index": ids["<start_of_image>"],
        "eoi_token_index": ids["<end_of_image>"],
        "image_token_index": ids["<image_soft_token>"],
        "eos_token_id": gemma["eos_token_id"],
        "mm_tokens_per_image": 4,
        "torch_dtype": "bfloat16",
        "transformers_version": "4.50.0.dev0",
        "text_config": text
        | {
            "max_position_embeddings": 131072,
            "sliding_window": 1024,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        },
        "vision_config": {
            "hidden_size": 16,
            "image_size": 56,
            "intermediate_size": 32,
            "num_attention_heads": 2,
            "model_type": "siglip_vision_model",
            "num_hidden_layers": 2,
            "patch_size": 14,
            "vision_use_head": False,
        },
    }


def _weights(folder: Path, seed: int) -> dict[str, torch.Tensor]:
    """Random weights of the model that the folder's config.json describes, under the names they have on the hub."""
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    generator = torch.Generator().manual_seed(seed)
    tied = config.get_text_config().tie_word_embeddings
    weights = {}
    for name, parameter in sorted(model.named_parameters()):
        if tied and name.startswith("lm_head"):
            continue
        drawn = torch.randn(parameter.shape, generator=generator)
        # Norms near what they are at the start of training; all else strong enough that layers differ in what they do.
        if parameter.dim() == 1:
            drawn = 0.1 * drawn + ("norm" in name and config.model_type == "llama")
        else:
            drawn = 0.25 * drawn
        weights[_hub_name(name)] = drawn.to(torch.bfloat16)
    return weights


def _hub_name(name: str) -> str:
    """Gemma 3's multimodal checkpoints have the language model's parts the other way round, and the tower's deeper."""
    name = re.sub(r"^model\.language_model\.", "language_model.model.", name)
    name = re.sub(r"^model\.vision_tower\.(?!vision_model\.)", "vision_tower.vision_model.", name)
    return re.sub(r"^model\.(vision_tower|multi_modal_projector)\.", r"\1.", name)


def _save_weights(folder: Path, weights: dict[str, torch.Tensor], shards: int) -> None:
    if shards == 1:
        save_file(weights, folder / "model.safetensors", {"format": "pt"})
        return
    names = sorted(weights)
    files = {
        name: f"model-{1 + at * shards // len(names):05d}-of-{shards:05d}.safetensors" for at, name in enumerate(names)
    }
    for file in sorted(set(files.values())):
        save_file({name: weights[name] for name in names if files[name] == file}, folder / file, {"format": "pt"})
    total = sum(weight.numel() * weight.element_size() for weight in weights.values())
    index = {"metadata": {"total_size": total}, "weight_map": files}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))
