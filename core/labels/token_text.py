"""Token ids as text: alone, and as a place in a text with what stands around it.

Knows: tokenizers. Does not know: features, labels. A character can be several tokens, each of which is none by itself;
and some tokenizers, such as Llama 2's, decode a token that stands alone without the blank before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

#: What decoding puts for bytes that are no character.
BROKEN = "\N{REPLACEMENT CHARACTER}"
#: Tokens of one character at most, in UTF-8.
_BYTES = 4
_PROBE = "one or two of them"


class Place(NamedTuple):
    """A token in its text. token: the whole character where it is a part of one."""

    before: str
    token: str
    after: str


class TokenTexts:
    """Texts of one tokenizer's tokens; each token alone is decoded once."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer, self._known = tokenizer, dict[int, str]()
        probe = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
        self._adds_up = "".join(map(self._piece, probe)) == self._decode(probe)

    def alone(self, token: int) -> str:
        """A token by itself; where it is a part of a character, as the vocabulary spells it."""
        text = self._piece(token)
        return str(self._tokenizer.convert_ids_to_tokens(token)) if BROKEN in text else text

    def place(self, ids: Sequence[int] | np.ndarray, first: int, at: int, last: int) -> Place:
        """The token ids[at] with those from `first` to before `last` around it; parts of a character at the ends are
        left out."""
        pieces = [self._piece(i) for i in ids[first:last]]
        here = at - first
        if self._adds_up and not any(BROKEN in piece for piece in pieces):
            return Place("".join(pieces[:here]), pieces[here], "".join(pieces[here + 1 :]))
        window = [int(i) for i in ids[first:last]]

        def text(count: int) -> str:
            return self._decode(window[:count])

        begins = next((n for n in range(here, 0, -1) if not text(n).endswith(BROKEN)), 0)
        ends = range(here + 1, min(here + 1 + _BYTES, len(window) + 1))
        end = next((n for n in ends if not text(n).endswith(BROKEN)), here + 1)
        before, until = text(begins), text(end)
        token = until.removeprefix(before) or self._decode(window[begins:end])
        after = text(len(window)).removeprefix(until)
        return Place(before.lstrip(BROKEN), token, after.rstrip(BROKEN))

    def _piece(self, token: int) -> str:
        token = int(token)
        if token not in self._known:
            self._known[token] = str(self._tokenizer.decode([token]))
        return self._known[token]

    def _decode(self, ids: list[int]) -> str:
        return str(self._tokenizer.decode(ids, clean_up_tokenization_spaces=False))
