"""A generated answer as text that knows whether the model stopped by itself. Knows: text. Does not know: models."""

from __future__ import annotations


class Answer(str):
    """Text, equal to the same text. ended: whether the model stopped by itself, or was cut off at the longest length
    asked for; None where nobody knows, and while it is being written."""

    ended: bool | None

    def __new__(cls, text: str, ended: bool | None = None) -> Answer:
        made = super().__new__(cls, text)
        made.ended = ended
        return made

    def __getnewargs__(self) -> tuple[str, bool | None]:  # type: ignore[override]
        return str(self), self.ended
