"""The paper's Figures 4 and 5 as a step of a run: each kept prompt's cosine with the refusal direction, by layer.

Knows: the engine's measurement. Does not know: tables and intervals (`core.discovery.tables.cosines`). The paper draws
one harmful and one benign prompt; here every prompt that Stage 0 kept is measured, unedited, at its last token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.discovery.context import Work, chunks
from core.edits.edits import Edits

_TOGETHER = 16


def cosine_groups(work: Work) -> list[list[str]]:
    """Every prompt that Stage 0 kept, harmful ones first."""
    return chunks(work.kept("harmful"), _TOGETHER) + chunks(work.kept("benign"), _TOGETHER)


def do_cosines(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """`cosine`: one number a layer, of resid_post at the last prompt token with the direction."""
    found = work.engine.measure([work.text(item) for item in group], [Edits()]).cosine[:, 0]
    return [{"cosine": [float(one) for one in row]} for row in found]
