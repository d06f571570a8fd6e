"""Architectures of transformers, tiny and with random weights: which can be audited here, and which are refused and why.

    python scripts/models/architectures.py            the table of docs/models.md

Every line of the table is what `hydrascope models add` says of such a model. That those it takes give right numbers is
held by tests/core/models/test_architectures.py, over this very list.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

#: Shorter than most prompts of the tests, so that it matters.
WINDOW = 16
_SMALL = {
    "vocab_size": 320,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "initializer_range": 0.25,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
    "max_position_embeddings": 256,
}
_KEYS = _SMALL | {"num_key_value_heads": 2}
_HEADS = _KEYS | {"head_dim": 8}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
_LOCAL_EXPERTS = {"num_local_experts": 4, "num_experts_per_tok": 2}
_OLD = {
    "vocab_size": 320,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 256,
    "initializer_range": 0.25,
    "bos_token_id": 0,
    "eos_token_id": 1,
}


class Architecture(NamedTuple):
    """kind: what is particular about it. config: the name of its configuration class, without “Config”, and values."""

    kind: str
    config: str
    values: dict[str, Any]


ARCHITECTURES = (
    Architecture("dense", "Llama", _HEADS),
    Architecture("dense", "Qwen2", _KEYS),
    Architecture("dense", "Qwen3", _HEADS),
    Architecture("dense", "Gemma", _HEADS),
    Architecture("dense", "Phi", _KEYS | {"partial_rotary_factor": 0.5}),
    Architecture("dense", "Olmo2", _KEYS),
    Architecture("dense", "SmolLM3", _KEYS | {"no_rope_layers": [1, 0]}),
    Architecture("dense", "StableLm", _KEYS),
    Architecture("dense", "Cohere", _KEYS),
    Architecture("dense", "Granite", _KEYS | {"residual_multiplier": 0.5, "logits_scaling": 2.0}),
    Architecture("dense", "Glm4", _HEADS | {"partial_rotary_factor": 0.5}),
    Architecture("dense", "Nemotron", _HEADS),
    Architecture("dense", "SeedOss", _HEADS),
    Architecture("dense", "GPTNeoX", _SMALL),
    Architecture("dense, learned positions", "GPT2", _OLD),
    Architecture("dense, learned positions", "GPTBigCode", _OLD),
    Architecture("dense, parallel blocks", "GPTJ", _OLD | {"rotary_dim": 4}),
    Architecture("dense, parallel blocks", "Falcon", _SMALL | {"ffn_hidden_size": 64, "multi_query": True}),
    Architecture("local attention", "Mistral", _HEADS | {"sliding_window": WINDOW}),
    Architecture("local attention", "Phi3", _KEYS | {"sliding_window": WINDOW}),
    Architecture("local attention", "Gemma2", _HEADS | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    Architecture("local attention", "Gemma3Text", _HEADS | {"sliding_window": WINDOW, "query_pre_attn_scalar": 8}),
    Architecture("local attention", "Olmo3", _KEYS | {"sliding_window": WINDOW}),
    Architecture("local attention", "Cohere2", _KEYS | {"sliding_window": WINDOW, "sliding_window_pattern": 2}),
    Architecture(
        "local attention",
        "Exaone4",
        _HEADS | {"sliding_window": WINDOW, "layer_types": ["sliding_attention", "full_attention"]},
    ),
    Architecture("local attention", "Starcoder2", _KEYS | {"sliding_window": WINDOW}),
    Architecture(
        "local attention",
        "GPTNeo",
        {
            "vocab_size": 320,
            "hidden_size": 32,
            "num_layers": 2,
            "num_heads": 4,
            "attention_types": [[["global", "local"], 1]],
            "intermediate_size": 64,
            "max_position_embeddings": 256,
            "window_size": WINDOW,
            "initializer_range": 0.25,
            "bos_token_id": 0,
            "eos_token_id": 1,
        },
    ),
    Architecture("experts", "Mixtral", _KEYS | _LOCAL_EXPERTS),
    Architecture("experts", "Qwen3Moe", _HEADS | _EXPERTS | {"moe_intermediate_size": 16}),
    Architecture("experts", "Olmoe", _KEYS | _EXPERTS),
    Architecture("experts, local attention", "GptOss", _HEADS | _LOCAL_EXPERTS | {"sliding_window": WINDOW}),
    Architecture(
        "experts, chunked attention",
        "Llama4Text",
        _HEADS
        | {
            "num_local_experts": 4,
            "intermediate_size_mlp": 64,
            "interleave_moe_layer_step": 2,
            "attention_chunk_size": 32,
        },
    ),
    Architecture(
        "experts, latent attention",
        "DeepseekV3",
        _SMALL
        | {
            "num_key_value_heads": 4,
            "n_routed_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "n_shared_experts": 1,
            "kv_lora_rank": 8,
            "q_lora_rank": 8,
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 4,
            "v_head_dim": 8,
            "n_group": 1,
            "topk_group": 1,
            "first_k_dense_replace": 1,
        },
    ),
    Architecture(
        "hybrid, linear attention",
        "Qwen3Next",
        _HEADS
        | _EXPERTS
        | {
            "moe_intermediate_size": 16,
            "shared_expert_intermediate_size": 16,
            "linear_num_value_heads": 4,
            "linear_num_key_heads": 2,
            "linear_key_head_dim": 8,
            "linear_value_head_dim": 8,
            "layer_types": ["linear_attention", "full_attention"],
        },
    ),
    Architecture(
        "hybrid, convolutions", "Lfm2", _KEYS | {"layer_types": ["conv", "full_attention"], "block_multiple_of": 8}
    ),
    Architecture(
        "hybrid, Mamba",
        "FalconH1",
        _HEADS | {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1},
    ),
    Architecture("Mamba", "Mamba", {"vocab_size": 320, "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8}),
    Architecture("dense, ALiBi", "Bloom", {"vocab_size": 320, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    Architecture("dense, ALiBi", "Mpt", {"vocab_size": 320, "d_model": 32, "n_layers": 2, "n_heads": 4}),
    Architecture(
        "dense, learned positions",
        "OPT",
        {
            "vocab_size": 320,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "ffn_dim": 64,
            "max_position_embeddings": 256,
            "word_embed_proj_dim": 32,
        },
    ),
)


def config_of(one: Architecture) -> Any:
    """Its tiny configuration, transformers' own object."""
    import transformers

    return getattr(transformers, f"{one.config}Config")(**one.values)


def refusal(one: Architecture) -> str:
    """Why `hydrascope models add` refuses such a model, a sentence; empty where it takes it."""
    from core import HydrascopeError
    from core.models.architecture import empty_model

    with tempfile.TemporaryDirectory() as folder:
        config_of(one).save_pretrained(folder)
        try:
            empty_model("mine", one.config, Path(folder))
        except HydrascopeError as error:
            return str(error)
    return ""


def table() -> str:
    """Markdown: architecture, transformers' model type, its kind, and what becomes of it."""
    lines = ["| Architecture | model type | kind | here |", "| --- | --- | --- | --- |"]
    for one in ARCHITECTURES:
        why = refusal(one).partition(f"from {one.config}: ")[2] or refusal(one)
        said = f"refused: {why}" if why else "yes"
        lines.append(f"| {one.config} | `{config_of(one).model_type}` | {one.kind} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
