"""A prompt that is followed by an answer which somebody else wrote, as if the model had generated it.

Knows: prompts as token ids. Does not know: whose answer it is, or what is measured on it.
"""

from __future__ import annotations

from typing import Any

from core.errors import InputError
from core.prompts.literal import literal_ids, readable
from core.prompts.template import Prompt


def with_answer(tokenizer: Any, prompt: Prompt, answer: str, context_length: int, *, goes_on: bool = False) -> Prompt:
    """The prompt followed by the tokens of an answer, which are “generated” as if the model had written them.

    Special tokens spelt in the answer stay letters. goes_on: the prompt ends with what was typed, without a template
    behind it, so a blank stands before the answer, as before any next word. Raises InputError where the answer is empty
    or too long.
    """
    text = readable(answer)
    ids = literal_ids(tokenizer, text)
    if goes_on and ids and not text[0].isspace() and not _has_blank(tokenizer, prompt, ids):
        ids = literal_ids(tokenizer, f" {text}")
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


def _has_blank(tokenizer: Any, prompt: Prompt, ids: tuple[int, ...]) -> bool:
    """Whether the tokenizer puts a blank between by itself, as SentencePiece's with a dummy prefix do."""
    before, both = (
        tokenizer.decode(some, clean_up_tokenization_spaces=False) for some in (prompt.ids, prompt.ids + ids)
    )
    return str(both)[len(before) :][:1].isspace()
