"""Text as token ids, nothing in it taken for a special token.

Knows: fast tokenizers of transformers. Does not know: templates.
"""

from __future__ import annotations

from typing import Any


def readable(text: str) -> str:
    """The text with lone surrogates, which no tokenizer reads, replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def literal_ids(tokenizer: Any, text: str) -> tuple[int, ...]:
    """Ids of `text` with no special or added token recognised in it.

    Stateless on purpose: `split_special_tokens=True` flips a switch on the tokenizer that all threads share, and
    while one thread has it off, another's typed special tokens come through as real ones.
    """
    backend = tokenizer.backend_tokenizer
    if backend.normalizer is not None:
        text = backend.normalizer.normalize_str(text)
    words = [text] if backend.pre_tokenizer is None else [w for w, _ in backend.pre_tokenizer.pre_tokenize_str(text)]
    return tuple(token.id for word in words for token in backend.model.tokenize(word))
