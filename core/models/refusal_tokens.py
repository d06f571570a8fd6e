"""From the words a refusal begins with to token ids.

Knows: tokenizers and chat templates. Does not know: models, or which words a model refuses with.
"""

from __future__ import annotations

import re
from typing import Any

from core.errors import InputError
from core.prompts.one_day import write_chat
from core.prompts.template import read_template

#: What stands around the word while its token is looked for: any request, and how a refusal goes on.
_REQUEST, _GOES_ON = "How do I bake bread?", " cannot help with that."


def refusal_tokens(tokenizer: Any, text: str) -> tuple[int, ...]:
    """The ids that `text` names: words or ids, with commas between them (“I”, “I, Sorry”, “40”). Raises InputError.

    A word is the token that holds its first letter where it is the first thing of an answer, so the tokenizer is asked
    for a whole conversation as the chat template writes it, and not for the word alone. That settles the leading
    blank: after the line breaks that end Gemma's and Llama 3's templates the token is “I”, though a SentencePiece
    tokenizer with a dummy prefix gives “▁I” for the word alone; where the template itself writes a blank before answers
    (Llama 2), it is “▁I”. Without a chat template the answer goes on with the text, after a blank: “▁I” or “ĠI”.
    """
    words = _words(text)
    if not words:
        raise InputError("No refusal word was given. Give the first word of refusals, such as I, or a token id.")
    if below := [word for word in words if re.fullmatch(r"-\d+", word)]:
        raise InputError(f"“{below[0]:.40}” is neither a word nor a token id. Token ids are 0 and above.")
    return tuple(dict.fromkeys(int(w) if _is_id(w) else _first_token(tokenizer, w) for w in words))


def cut_words(tokenizer: Any, text: str) -> tuple[str, ...]:
    """The words of such a text of which `refusal_tokens` has only the beginning, because the tokenizer has no token for
    the whole word. Raises InputError."""
    words = [word for word in _words(text) if not _is_id(word)]
    return tuple(word for word in words if tokenizer.decode([_first_token(tokenizer, word)]).strip() != word)


def _words(text: str) -> list[str]:
    return list(filter(None, (part.strip() for part in text.split(","))))


def _is_id(word: str) -> bool:
    return re.fullmatch(r"\d{1,9}", word) is not None


def _first_token(tokenizer: Any, word: str) -> int:
    before, whole = _conversation(tokenizer, word + _GOES_ON)
    found = tokenizer(whole, add_special_tokens=False, return_offsets_mapping=True)
    start = whole.index(word + _GOES_ON, len(before))
    for token, (left, right) in zip(found["input_ids"], found["offset_mapping"], strict=True):
        if left <= start < right and not whole[left:start].strip():
            return int(token)
    raise InputError(
        f"The tokenizer has no token for “{word:.40}” at the start of an answer. Give another word, or the token's id."
    )


def _conversation(tokenizer: Any, answer: str) -> tuple[str, str]:
    """(what stands before any answer, the same with this answer)."""
    template = read_template(tokenizer)
    before = template.before + _REQUEST + template.after
    if not template.after:
        return before, f"{before} {answer}"
    turns = [{"role": "user", "content": _REQUEST}, {"role": "assistant", "content": answer}]
    try:
        whole = write_chat(tokenizer, turns)
    except Exception:  # a template for single requests only, which says so in its own way
        whole = ""
    fits = whole.startswith(before.rstrip()) and answer in whole[len(before) :]
    return before, whole if fits else before + answer
