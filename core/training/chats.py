"""From prompts and answers to conversations as token ids, without the prefix that every one of them begins with.

Knows: a tokenizer's chat template. Does not know: models, where prompts or answers come from.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from core.errors import InputError
from core.prompts.one_day import write_chat

Pair = tuple[str, str]  # a request and an answer to it


class Chats(NamedTuple):
    """prefix: the ids every conversation begins with (BOS and the template before the first request). rows: what
    follows in each conversation, both sides and the template between them.
    """

    prefix: tuple[int, ...]
    rows: list[tuple[int, ...]]

    @property
    def tokens(self) -> int:
        return sum(map(len, self.rows))

    @property
    def digest(self) -> str:
        """What these ids are known by: hexadecimal, the same on every machine."""
        return hashlib.sha256(repr((self.prefix, self.rows)).encode()).hexdigest()[:16]


def conversation_ids(tokenizer: Any, pairs: Sequence[Pair]) -> list[int]:
    """Ids of a whole conversation, template applied, BOS once. Raises InputError without a chat template."""
    if not getattr(tokenizer, "chat_template", None):
        raise InputError("This model has no chat template, so it cannot make chat text. Train on an instruct model.")
    messages = [
        {"role": role, "content": text}
        for pair in pairs
        for role, text in zip(("user", "assistant"), pair, strict=True)
    ]
    text = write_chat(tokenizer, messages)
    return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def request_ids(tokenizer: Any, text: str) -> list[int]:
    """Ids of one request up to where its answer begins."""
    chat = [{"role": "user", "content": text}]
    written = write_chat(tokenizer, chat, add_generation_prompt=True)
    return list(tokenizer(written, add_special_tokens=False)["input_ids"])


def fixed_prefix(tokenizer: Any) -> tuple[int, ...]:
    """The ids that every conversation begins with, by comparing two that share nothing else."""
    one, two = conversation_ids(tokenizer, [("a b", "x")]), conversation_ids(tokenizer, [("1 2", "y")])
    length = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
    if not length:
        raise InputError("This model's chat template writes nothing before the request. SAEs need a BOS token there.")
    return tuple(one[:length])


def compose(
    tokenizer: Any, pairs: Sequence[Pair], tokens: int, *, longest: int, most_requests: int, seed: int
) -> Chats:
    """Conversations of one to `most_requests` requests until there are `tokens` ids, in an order drawn from `seed`.

    Every pair comes once before any comes twice. Raises InputError when there are no pairs.
    """
    if not pairs:
        raise InputError("No prompts with answers are left to train on. Give more prompts.")
    prefix, rng = fixed_prefix(tokenizer), random.Random(seed)
    endless, rows, counted = _endless(pairs, rng), [], 0
    while counted < tokens:
        chosen = [next(endless) for _ in range(rng.randint(1, most_requests))]
        ids = tuple(conversation_ids(tokenizer, chosen)[len(prefix) :][:longest])
        rows.append(ids)
        counted += len(ids)
    return Chats(prefix, rows)


def _endless(pairs: Sequence[Pair], rng: random.Random) -> Iterator[Pair]:
    while True:
        order = list(range(len(pairs)))
        rng.shuffle(order)
        yield from (pairs[i] for i in order)
