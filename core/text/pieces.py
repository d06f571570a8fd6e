"""Tokens as people read them. Knows: their texts. Does not know: tokenizers, models."""

from __future__ import annotations

from collections.abc import Sequence


def pieces_text(pieces: Sequence[str]) -> str:
    """Tokens side by side, each without the blanks around it: “I”, “Sorry · Unfortunately”."""
    return " · ".join(piece.strip() or piece for piece in pieces)
