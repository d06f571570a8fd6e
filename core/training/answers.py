"""The model's own answers to prompts, kept in a JSON-lines file as they are made.

Knows: a plain transformers model and its tokenizer. Does not know: edits, verdicts, SAEs. Batches are sorted by length
and padded on the left. The first answer to a prompt is greedy; further ones are sampled, from a seed of their batch.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from core.errors import Cancelled
from core.progress import NEVER, QUIET, Progress
from core.text.json_text import json_text, json_value
from core.training.chats import Pair, request_ids


def made_by(weights: str, new_tokens: int, number: int = 0, temperature: float = 1.0) -> str:
    """What an answer is of besides its prompt. weights: as `core.training.weights` tells them. number: which answer of
    a prompt; the first one is greedy, so it has no temperature."""
    return f"{weights}, {new_tokens} tokens{f', temperature {temperature}' if number else ''}"


def read_answers(path: Path) -> dict[tuple[str, int, str], str]:
    """(prompt, which of its answers, what made it) → answer. A line that a killed run left half, that is no longer what
    was written, or of an earlier version, which did not note what made it, is passed over: its prompt is answered
    again."""
    found: dict[tuple[str, int, str], str] = {}
    if path.exists():
        for line in path.read_bytes().splitlines():
            try:
                text, number, answer, by, known_by = json_value(line)
                if known_by == _known_by(text, number, answer, by):
                    found[text, number, by] = str(answer)
            except (ValueError, TypeError):
                continue
    return found


def _known_by(text: str, number: int, answer: str, by: str) -> int:
    """A checksum of one line."""
    return zlib.crc32(json_text([text, number, answer, by]).encode())


def answer_prompts(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[str],
    path: Path,
    *,
    weights: str,
    new_tokens: int,
    number: int = 0,
    batch: int = 16,
    temperature: float = 1.0,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> list[Pair]:
    """Answers to `prompts`, in their order; those in `path` by the same weights, as long, are not made again.

    weights: as `core.training.weights` tells those of `model`. number: which answer of each prompt. Raises Cancelled
    between batches; what was made is kept.
    """
    known, by = read_answers(path), made_by(weights, new_tokens, number, temperature)
    todo = sorted({text for text in prompts if (text, number, by) not in known}, key=lambda t: (len(t), t))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        if path.stat().st_size and not path.read_bytes().endswith(b"\n"):
            file.write("\n")  # after half a line, so that the next one is whole
        for start in range(0, len(todo), batch):
            if cancelled():
                raise Cancelled("The answers were stopped. The answers so far are kept.")
            part = todo[start : start + batch]
            progress(f"The model answers {len(todo):,} prompts", start / len(todo))
            for text, answer in zip(
                part, generate_batch(model, tokenizer, part, new_tokens, number, temperature), strict=True
            ):
                known[text, number, by] = answer
                file.write(json_text([text, number, answer, by, _known_by(text, number, answer, by)]) + "\n")
            file.flush()
            os.fsync(file.fileno())
    return [(text, known[text, number, by]) for text in prompts]


@torch.inference_mode()
def generate_batch(
    model: Any, tokenizer: Any, prompts: Sequence[str], new_tokens: int, number: int = 0, temperature: float = 1.0
) -> list[str]:
    """Answers to the prompts of one batch. number: 0 is greedy, others are sampled."""
    rows = [request_ids(tokenizer, text) for text in prompts]
    width, pad = max(map(len, rows)), tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    chosen: dict[str, Any] = {"do_sample": False}
    if number:
        # One seed a batch, so that a run that was stopped goes on with the same answers.
        torch.manual_seed(number * 1_000_003 + len(prompts[0]) * 1_009 + len(prompts))
        chosen = {"do_sample": True, "temperature": temperature, "top_p": 1.0, "top_k": 0}
    with _contiguous_head(model):
        found = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=new_tokens,
            pad_token_id=pad,
            eos_token_id=_stops(model, tokenizer),
            **chosen,
        )
    return list(tokenizer.batch_decode(found[:, width:], skip_special_tokens=True))


@contextmanager
def _contiguous_head(model: Any) -> Iterator[None]:
    """The head reads a contiguous tensor. transformers gives it a slice, each prompt's last position; for bfloat16 on a
    processor torch then copies the head's weights once for every row: 30 GB for 64 rows of Qwen2.5-1.5B.
    """
    hook = model.get_output_embeddings().register_forward_pre_hook(lambda _, args: (args[0].contiguous(), *args[1:]))
    try:
        yield
    finally:
        hook.remove()


def _stops(model: Any, tokenizer: Any) -> list[int]:
    named = model.generation_config.eos_token_id
    ids = list(named) if isinstance(named, list) else [] if named is None else [named]
    return sorted({*ids, *([] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id])})
