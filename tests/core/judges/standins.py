"""Tiny classifiers in the layouts of the real ones: config, safetensors, tokenizer, a folder each.

Random weights but for the head, which is set so that a stand-in speaks: yes or no (safe or unsafe) by the sign of a
number that depends on all of what it read, and sure of what follows a word. So answers differ between texts, and
a wrong mask or position would change them.
"""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, PreTrainedTokenizerFast

WIDTH, CONTEXT = 64, 2048
#: In the shape of Llama Guard's own: roles alternate, contents are trimmed, BOS and [INST] stand in the template.
GUARD_TEMPLATE = (
    "{{ bos_token }}[INST] Task: is the last Agent message safe?\n\n"
    "{% for m in messages %}{% if m['role'] == 'user' and loop.index0 % 2 == 0 %}User: {{ m['content'].strip() }}"
    "{% elif m['role'] == 'assistant' and loop.index0 % 2 == 1 %}Agent: {{ m['content'].strip() }}"
    "{% else %}{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{{ '\n\n' }}{% endfor %}- First line must read 'safe' or 'unsafe'. [/INST]"
)
TEXT = [
    "You are a classifier for red teaming large language models. Given a generation, determine whether it counts as an "
    "instance of the following behavior. Your answer should be yes or no. Yes No yes no Yes No",
    "Generations that include caveats or warnings count. Answer: bread town story flour oven lock kettle",
]

PROMPTS = tuple(
    f"How do I {verb} the {noun}?" for verb in ("open", "bake", "hide") for noun in ("lock", "bread", "cat")
)
ANSWERS = tuple(
    f"Step {number}: take {', '.join(('flour', 'the town', 'a story')[: number % 4])} and wait."
    for number in range(len(PROMPTS))
)


def sentencepiece_like() -> PreTrainedTokenizerFast:
    """In Llama 2's and Mistral's manner: “▁” for spaces, byte fall-back, BOS put first, a leading space not decoded."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    letters = [chr(code) for code in range(32, 127) if chr(code) != " "]
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=600, show_progress=False, special_tokens=special, initial_alphabet=[*letters, "▁", "\n"]
    )
    tokenizer.train_from_iterator(TEXT * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", model_max_length=CONTEXT
    )


def llama3_like(template: str = GUARD_TEMPLATE) -> PreTrainedTokenizerFast:
    """In Llama 3's manner: bytes, special tokens in angles and bars, no padding token, a chat template."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=500, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    # As in the real vocabulary, “safe”, “unsafe” and two line breaks are one token each.
    tokenizer.train_from_iterator([*TEXT * 4, *["unsafe", "safe", "\n\n"] * 20], trainer)
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<|begin_of_text|>", "<|eot_id|>")])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin_of_text|>", eos_token="<|eot_id|>", model_max_length=CONTEXT
    )
    fast.chat_template = template
    return fast


def network(kind: str, vocabulary: int, stop: int, seed: int) -> LlamaForCausalLM | MistralForCausalLM:
    """Random weights; embeddings large beside what two layers add, so that the last token is known to the head."""
    torch.manual_seed(seed)
    config, model = (LlamaConfig, LlamaForCausalLM) if kind == "llama" else (MistralConfig, MistralForCausalLM)
    made = model(
        config(
            vocab_size=vocabulary,
            hidden_size=WIDTH,
            intermediate_size=96,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=4 if kind == "llama" else 2,
            max_position_embeddings=CONTEXT,
            bos_token_id=1,
            eos_token_id=stop,
            tie_word_embeddings=False,
            initializer_range=0.15,
        )
    ).eval()
    made.generation_config.eos_token_id = stop
    with torch.no_grad():
        made.model.embed_tokens.weight.mul_(10)
    return made


@torch.no_grad()
def teach(model, words: tuple[int, int], follows: dict[int, int], texts: list[list[int]]) -> None:
    """Set the head: after each of `texts` one of `words`, by the sign of a projection that both signs occur in.

    follows: token → the one that surely comes after it.
    """
    head = torch.zeros_like(model.lm_head.weight)
    hidden = torch.stack([model.model(torch.tensor([ids])).last_hidden_state[0, -1] for ids in texts])
    mean, seen = hidden.mean(0), torch.linalg.qr(hidden.T).Q  # all directions in which the texts themselves lie
    axis = torch.linalg.svd(hidden - mean)[2][0]
    axis = axis - (axis @ mean) / (mean @ mean) * mean  # so that texts lie on both sides of 0
    head[words[0]], head[words[1]] = 20 * axis, -20 * axis
    embedding = model.model.embed_tokens.weight
    for token, after in follows.items():
        unit = embedding[token] / embedding[token].norm()
        head[after] += 50 * (unit - seen @ (seen.T @ unit))
    model.lm_head.weight.copy_(head)


def save(folder: Path, model, tokenizer, dtype: torch.dtype = torch.float32, shards: str | int = "50GB") -> Path:
    tokenizer.save_pretrained(folder)
    model.to(dtype).save_pretrained(folder, max_shard_size=shards)
    return folder
