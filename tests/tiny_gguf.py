"""A tiny Qwen2 with random weights as a GGUF file: the makers' metadata, tensor names and layout, packed to 8 bits.

Knows: the format's names for this architecture. Does not know: where the file is had from, or what is made of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType, TokenType
from gguf.quants import quantize

from tests.conftest import D_MODEL, TEMPLATE, make_tokenizer

LAYERS, HEADS, KEY_HEADS, INNER = 4, 4, 2, 64


def tiny_gguf(path: Path, vocabulary: int = 320) -> dict[str, np.ndarray]:
    """Write it; returns the float32 tensors that were packed, by the format's names. vocabulary: tokens, 320 or more;
    those beyond the tokenizer's own are never met, and make the file larger."""
    writer = GGUFWriter(path, "qwen2")
    writer.add_name("Tiny Qwen2")
    writer.add_file_type(LlamaFileType.MOSTLY_Q8_0)
    writer.add_block_count(LAYERS)
    writer.add_context_length(256)
    writer.add_embedding_length(D_MODEL)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10_000.0)
    _add_tokenizer(writer, vocabulary)
    tensors = _tensors(vocabulary)
    for name, values in tensors.items():
        if values.ndim == 1:
            writer.add_tensor(name, values)
        else:
            packed = quantize(values, GGMLQuantizationType.Q8_0)
            writer.add_tensor(name, packed, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


def _add_tokenizer(writer: GGUFWriter, vocabulary: int) -> None:
    model = json.loads(make_tokenizer().backend_tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    special = ["<|start|>", "<|end|>"]
    tokens += [f"<|unused{number}|>" for number in range(vocabulary - len(tokens))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types([TokenType.CONTROL if token in special else TokenType.NORMAL for token in tokens])
    writer.add_token_merges([" ".join(pair) for pair in model["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_pad_token_id(1)
    writer.add_chat_template(TEMPLATE)


def _tensors(vocabulary: int) -> dict[str, np.ndarray]:
    drawn = np.random.default_rng(0)
    keys = D_MODEL * KEY_HEADS // HEADS
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (vocabulary, D_MODEL)}
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        shapes |= {f"{block}.attn_norm.weight": (D_MODEL,), f"{block}.ffn_norm.weight": (D_MODEL,)}
        for part, size in (("q", D_MODEL), ("k", keys), ("v", keys)):
            shapes |= {f"{block}.attn_{part}.weight": (size, D_MODEL), f"{block}.attn_{part}.bias": (size,)}
        shapes |= {
            f"{block}.attn_output.weight": (D_MODEL, D_MODEL),
            f"{block}.ffn_gate.weight": (INNER, D_MODEL),
            f"{block}.ffn_up.weight": (INNER, D_MODEL),
            f"{block}.ffn_down.weight": (D_MODEL, INNER),
        }
    shapes |= {"output_norm.weight": (D_MODEL,), "output.weight": (vocabulary, D_MODEL)}
    return {
        name: (np.ones(shape) if name.endswith("norm.weight") else drawn.normal(0, 0.25, shape)).astype(np.float32)
        for name, shape in shapes.items()
    }
