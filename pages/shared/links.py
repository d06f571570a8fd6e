"""What a link to the audit page carries: the prompt and the edits, as text.

Pure functions. Knows: parameter names and how long a link may be. Does not know: Streamlit, models, or whether the
edits fit a model (the engine says so when they are read).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import quote, urlsplit, urlunsplit

PROMPT, EDITS = "prompt", "edits"
#: Longer links are cut by mail programs, proxies and browsers.
LONGEST_LINK = 6000


class Link(NamedTuple):
    """The prompt as typed and the edits as `Edits.to_text` writes them; both may be empty."""

    prompt: str = ""
    edits: str = ""

    def parameters(self) -> dict[str, str]:
        """Query parameters; what is empty is left out, and edits too long for a link are too."""
        kept = {PROMPT: self.prompt} if self.prompt else {}
        if self.edits:
            kept[EDITS] = self.edits
        if _length(kept) > LONGEST_LINK:
            kept.pop(EDITS, None)
        return kept if _length(kept) <= LONGEST_LINK else {}

    @property
    def fits(self) -> bool:
        """Whether a link can carry all of it."""
        return self.parameters() == {k: v for k, v in ((PROMPT, self.prompt), (EDITS, self.edits)) if v}

    def url(self, page: str) -> str:
        """The whole address, on the page's own address."""
        parts = urlsplit(page)
        # A comma and an equals sign need no escaping in a query, and a link is easier to read with them.
        query = "&".join(f"{name}={quote(value, safe=',=@')}" for name, value in self.parameters().items())
        return urlunsplit((parts.scheme, parts.netloc, parts.path or "/", query, ""))


def read(parameters: Mapping[str, str]) -> Link:
    """The link that query parameters make; what is missing is empty, and other parameters are not ours."""
    return Link(str(parameters.get(PROMPT, "")), normal(str(parameters.get(EDITS, ""))))


def words(edits: str) -> tuple[str, ...]:
    """The single edits of a text, each once, in order."""
    return tuple(dict.fromkeys(filter(None, (word.strip() for word in edits.split(",")))))


def text(edits: Iterable[str]) -> str:
    """The other way round."""
    return ",".join(edits)


def normal(edits: str) -> str:
    """The same edits without blanks and repeats."""
    return text(words(edits))


def _length(parameters: Mapping[str, str]) -> int:
    return sum(len(name) + len(quote(value, safe=",=@")) + 2 for name, value in parameters.items())
