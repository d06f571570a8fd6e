"""A prompt that is followed by an answer which somebody else wrote, as if the model had generated it.

Knows: prompts as token ids. Does not know: whose answer it is, or what is measured on it.
"""

from __future__ import annotations

from typing import Any

from core.errors import InputError
from core.prompts.literal import literal_ids, readable
from core.prompts.template import Prompt


def with_answer(tokenizer: Any, prompt: Prompt, answer: str, context_length: int) -> Prompt:
    """The prompt followed by the tokens of an answer, which are “generated” as if the model had written them.

    Special tokens spelt in the answer stay letters. Raises InputError where the answer is empty or too long.
    """
    ids = literal_ids(tokenizer, readable(answer))
    if not answer.strip() or not ids:
        raise InputError("The answer is empty. Give an answer with at least one word.")
    if len(prompt) + len(ids) > context_length:
        raise InputError(
            f"Prompt and answer have {len(prompt) + len(ids):,} tokens, but the model's context is {context_length:,}. "
            "Shorten the answer."
        )
    pieces = tuple(tokenizer.decode([i], clean_up_tokenization_spaces=False) for i in ids)
    spans = prompt.spans | {"generated": (len(prompt), len(prompt) + len(ids))}
    return Prompt(prompt.text, prompt.ids + ids, prompt.pieces + pieces, spans)
