"""Tiny tokenizers with the special tokens, ids, normalisers and files of the families' own.

Knows: how Gemma's SentencePiece-like and Llama 3's byte-level vocabularies are laid out in tokenizer.json. Does not
know: models. Special tokens have their true ids with Gemma (with Llama they follow the vocabulary, as there), and
Llama's “I” is 40; the words between are few, learnt from a few sentences.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.loopback_hub import templates

SENTENCES = [
    "How do I bake bread? I cannot help with that. I can't help with that request.",
    "Tell me a story about a small town, please. What is the capital of France?",
    "Explain how a vaccine works to a child. Write a short poem about the sea.",
    "user\n\nassistant\n\nsystem\n\nmodel",  # one token each, as in the real vocabularies
] * 3
LLAMA_WORDS = "|".join(
    [
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
        r"[^\r\n\p{L}\p{N}]?\p{L}+",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
LLAMA_SPECIALS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|reserved_special_token_0|>",
    "<|reserved_special_token_1|>",
    "<|finetune_right_pad_id|>",
    "<|reserved_special_token_2|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
]
UNLIMITED = 1000000000000000019884624838656  # what transformers writes where no length is known


def gemma(folder: Path, version: int) -> Tokenizer:
    """Write the tokenizer of Gemma 2 or 3 into `folder`."""
    opening = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"] + ["[multimodal]"] * (version == 3)
    opening += ["<2mass>", "[@BOS@]"] * (version == 2)
    opening += [f"<unused{n}>" for n in range(99)] + ["<start_of_turn>", "<end_of_turn>"]
    lines = ["\n" * n for n in range(1, 6)]
    octets = [f"<0x{n:02X}>" for n in range(256)]
    learnt = Tokenizer(models.BPE(unk_token="<unk>"))
    learnt.normalizer = normalizers.Replace(" ", "▁")
    learnt.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    alphabet = [chr(n) for n in range(33, 127)] + ["▁"]
    spoken = [line for text in SENTENCES for line in text.split("\n\n")]  # line breaks are tokens of their own
    learnt.train_from_iterator(spoken, trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet))
    words = json.loads(learnt.to_str())["model"]
    names = [*opening, *lines, *octets, *sorted(words["vocab"], key=words["vocab"].get)]
    closing = ["<start_of_image>", "<end_of_image>", "<image_soft_token>"] if version == 3 else []
    vocabulary = {name: index for index, name in enumerate([*names, *closing])}
    tokenizer = Tokenizer(
        models.BPE(
            vocabulary, [tuple(pair) for pair in words["merges"]], unk_token="<unk>", fuse_unk=True, byte_fallback=True
        )
    )
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = _begins_with("<bos>", vocabulary["<bos>"])
    tokenizer.add_tokens([AddedToken(name, normalized=False) for name in lines])
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in [*opening, *closing]])
    more: dict[str, Any] = {
        "add_bos_token": True,
        "add_eos_token": False,
        "model_max_length": UNLIMITED,
        "tokenizer_class": "GemmaTokenizer",
        "spaces_between_special_tokens": False,
        "sp_model_kwargs": {},
        "use_default_system_prompt": False,
    }
    named = {"bos_token": "<bos>", "eos_token": "<eos>", "pad_token": "<pad>", "unk_token": "<unk>"}
    if version == 2:
        named["additional_special_tokens"] = ["<start_of_turn>", "<end_of_turn>"]  # type: ignore[assignment]
    else:
        more |= {"boi_token": "<start_of_image>", "eoi_token": "<end_of_image>", "image_token": "<image_soft_token>"}
    _write(folder, tokenizer, templates.GEMMA2 if version == 2 else templates.GEMMA3, named, more)
    return tokenizer


def llama31(folder: Path) -> Tokenizer:
    """Write the tokenizer of Llama 3.1 Instruct into `folder`."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(LLAMA_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in LLAMA_SPECIALS])
    begin = tokenizer.token_to_id("<|begin_of_text|>")
    tokenizer.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=False), _begins_with("<|begin_of_text|>", begin)]
    )
    more = {
        "model_max_length": 131072,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_input_names": ["input_ids", "attention_mask"],
    }
    _write(folder, tokenizer, templates.LLAMA31, {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}, more)
    return tokenizer


def _begins_with(name: str, index: int) -> processors.TemplateProcessing:
    return processors.TemplateProcessing(f"{name} $A", f"{name} $A {name}:1 $B:1", special_tokens=[(name, index)])


def _write(folder: Path, tokenizer: Tokenizer, template: str, named: dict[str, Any], more: dict[str, Any]) -> None:
    tokenizer.save(str(folder / "tokenizer.json"))
    added = {
        str(index): {
            "content": token.content,
            "lstrip": False,
            "normalized": False,
            "rstrip": False,
            "single_word": False,
            "special": token.special,
        }
        for index, token in sorted(tokenizer.get_added_tokens_decoder().items())
    }
    config = {"added_tokens_decoder": added, "chat_template": template, "clean_up_tokenization_spaces": False}
    (folder / "tokenizer_config.json").write_text(json.dumps(config | named | more, indent=2, ensure_ascii=False))
    (folder / "special_tokens_map.json").write_text(json.dumps(named, indent=2))
