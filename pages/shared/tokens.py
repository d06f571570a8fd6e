"""The prompt as the model reads it, token by token, with the template's own tokens marked.

Builds HTML from escaped text only. Knows: a prompt's spans. Does not know: models or sessions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from core import Prompt
from pages.shared.text import counted, escaped, signed, visible

MOST_SHOWN = 160
#: How opaque a chip's colour is at a cosine of 1: the token can be read on it, in light and in dark.
MOST_TINT = 0.7
_NAMES = {
    "bos": ("BOS", "Position 0. It is the same for every prompt and out of distribution for most SAEs."),
    "system": ("system", "The text that the chat template puts before every prompt."),
    "instruction": ("instruction", "The text that you typed."),
    "template": ("template", "The end-of-instruction tokens. The model's decision is read at the last of them."),
}


def span_of(prompt: Prompt) -> list[str]:
    """The name of each token's span."""
    names = ["instruction"] * len(prompt)
    for name in ("system", "template", "bos"):
        start, end = prompt.spans.get(name, (0, 0))
        names[start:end] = [name] * (end - start)
    return names


def shown_positions(prompt: Prompt, everything: bool) -> list[int]:
    """Positions for the map: all, or only instruction and template (the rest is the same for every prompt).

    The last `MOST_SHOWN` of them: a browser draws no more cells than that well, and the last ones decide.
    """
    names = span_of(prompt)
    return [place for place, name in enumerate(names) if everything or name in ("instruction", "template")][
        -MOST_SHOWN:
    ]


def strip(prompt: Prompt, cosine: np.ndarray | None) -> str:
    """The strip as HTML. cosine: float32 [tokens], tints the chips (vermilion towards refusal, blue away); or None."""
    parts, names = [], span_of(prompt)
    start = 0
    while start < len(names):
        end = start
        while end < len(names) and names[end] == names[start]:
            end += 1
        parts.append(_span(names[start], prompt.pieces[start:end], start, cosine))
        start = end
    return f'<div class="hs-strip" role="group" aria-label="Tokens of the prompt">{"".join(parts)}</div>'


def _span(name: str, pieces: Sequence[str], start: int, cosine: np.ndarray | None) -> str:
    title, explanation = _NAMES[name]
    chips = "".join(_chip(piece, start + place, cosine) for place, piece in enumerate(pieces))
    muted = "" if name == "instruction" else " hs-muted"
    if name == "system" and len(pieces) > 6:
        heading = f"{title} · {counted(len(pieces), 'token')}"
        return (
            f'<details class="hs-span{muted}"><summary title="{escaped(explanation)}">{heading}</summary>'
            f'<div class="hs-chips">{chips}</div></details>'
        )
    return (
        f'<div class="hs-span{muted}"><b title="{escaped(explanation)}">{title}</b>'
        f'<div class="hs-chips">{chips}</div></div>'
    )


def _chip(piece: str, position: int, cosine: np.ndarray | None) -> str:
    note, style = f"position {position}", ""
    if cosine is not None and position < len(cosine) and np.isfinite(cosine[position]):
        value = float(cosine[position])
        colour = "213,94,0" if value > 0 else "0,114,178"
        note += f", cosine {signed(value, 3)}"
        style = f' style="background:rgba({colour},{min(abs(value), 1) * MOST_TINT:.2f})"'
    return f'<span class="hs-chip" title="{escaped(note)}"{style}>{escaped(visible(piece))}</span>'
