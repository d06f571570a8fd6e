"""Generate answers of a real instruct model that people label: Qwen2.5-Coder-1.5B-Instruct, unedited and without its
refusal direction.

Knows: a folder of safetensors, a difference of means at one layer, hooks at every block's output. Does not know: this
project's engine or labels. Answers to harmful requests without the direction are cut early, so that they begin to
comply and no more. Writes what `generate.py` writes.

    python scripts/answers/generate_qwen.py path/to/model
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from generate import WORK
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from core.answers.likelihood import OTHERS
from core.prompts.shipped import ShippedPrompt, prompts_file, read_shipped, shipped_texts
from scripts.answers.plain_likelihood import likelihood_ratio, log_probabilities, mean_nll

LAYER = 15
LIMIT = 64
SHORT = 32
#: (condition, kind, how many, most new tokens)
PLAN = (
    ("unedited", "harmful", 16, LIMIT),
    ("unedited", "lookalike", 10, LIMIT),
    ("unedited", "benign", 10, LIMIT),
    ("direction ablated", "harmful", 20, SHORT),
    ("direction ablated", "lookalike", 4, LIMIT),
    ("direction ablated", "benign", 4, LIMIT),
)


def template(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a one-turn chat up to where the answer starts."""
    chat = [{"role": "user", "content": text}]
    return tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]


@torch.inference_mode()
def last_outputs(model: Any, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
    """float32 [prompts, d_model]: block `LAYER`'s output at each prompt's last token, one prompt at a time."""
    found = []
    for ids in prompts:
        out = model.model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
        found.append(out.hidden_states[LAYER + 1][0, -1].float())
    return torch.stack(found)


def ablating(model: Any, unit: torch.Tensor) -> list[Any]:
    """Hooks that project `unit` out of every block's output. Returns the handles."""

    def without(module: Any, args: Any, out: Any) -> Any:
        hidden = out[0] if isinstance(out, tuple) else out
        r = unit.to(hidden.dtype)
        less = hidden - (hidden @ r)[..., None] * r
        return (less, *out[1:]) if isinstance(out, tuple) else less

    return [block.register_forward_hook(without) for block in model.model.layers]


@torch.inference_mode()
def greedy(model: Any, tokenizer: Any, prompts: Sequence[str], limit: int) -> list[tuple[str, bool]]:
    """For each prompt: the answer and whether it ended by itself. Left-padded, 16 at a time."""
    tokenizer.padding_side, found = "left", []
    stops = {tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id}
    for first in range(0, len(prompts), 16):
        rows = [template(tokenizer, p) for p in prompts[first : first + 16]]
        batch = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
        config = GenerationConfig(
            max_new_tokens=limit,
            do_sample=False,
            repetition_penalty=1.0,
            eos_token_id=sorted(stops),
            pad_token_id=tokenizer.pad_token_id,
        )
        out = model.generate(**batch, generation_config=config)
        for row in out[:, batch["input_ids"].shape[1] :].tolist():
            end = next((at for at, token in enumerate(row) if token in stops), None)
            found.append((tokenizer.decode(row[:end], skip_special_tokens=True), end is not None))
        print(len(found), "answered", flush=True)
    return found


def main() -> None:
    folder = sys.argv[1]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    rows = read_shipped(prompts_file())
    generator, pools = random.Random(11), {}
    for kind in ("harmful", "lookalike", "benign"):
        pools[kind] = [p for p in rows if p.kind == kind and p.split in ("test", "val")]
        generator.shuffle(pools[kind])
        pools[kind].reverse()  # from the other end than the demo's answers take theirs
    asked: list[tuple[str, ShippedPrompt, int]] = [
        (condition, pools[kind].pop(), limit) for condition, kind, count, limit in PLAN for _ in range(count)
    ]
    asked.sort(key=lambda row: (row[0] != "unedited", row[2]))
    found: list[tuple[str, bool]] = []
    handles: list[Any] = []
    for (condition, limit), rows_of in groupby(asked, key=lambda row: (row[0], row[2])):
        if condition == "direction ablated" and not handles:
            sides = [
                [template(tokenizer, t) for t in shipped_texts(rows, k, "train", 64)] for k in ("harmful", "benign")
            ]
            raw = last_outputs(model, sides[0]).mean(0) - last_outputs(model, sides[1]).mean(0)
            handles = ablating(model, raw / raw.norm())
        found += greedy(model, tokenizer, [prompt.text for _, prompt, _ in rows_of], limit)
    for handle in handles:
        handle.remove()
    ids = [tokenizer(a, add_special_tokens=False)["input_ids"] for a, _ in found]
    here = log_probabilities(model, [(template(tokenizer, r[1].text), i) for r, i in zip(asked, ids, strict=True)])
    elsewhere = []
    for other in OTHERS:
        elsewhere.append(log_probabilities(model, [(template(tokenizer, other), i) for i in ids]))
        print("scored after", other, flush=True)
    with (WORK / "qwen.jsonl").open("w", encoding="utf-8") as file:
        for n, ((condition, prompt, _), (answer, ended)) in enumerate(zip(asked, found, strict=True)):
            row = {
                "model": "qwen2.5-coder-1.5b-instruct",
                "prompt": prompt.text,
                "kind": prompt.kind,
                "pair": prompt.pair,
                "condition": condition,
                "answer": answer,
                "ended": ended,
                "tokens": len(ids[n]),
                "nll": round(mean_nll(here[n]), 4),
                "ratio": round(likelihood_ratio(here[n], [e[n] for e in elsewhere]), 4),
                "terms": [[round(float(v), 3) for v in terms] for terms in (here[n], *(e[n] for e in elsewhere))],
            }
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
