"""What an edit costs on general text (Table 9) as steps of a run: the texts first, then cross-entropy on them.

Knows: which texts, which edit sets. Does not know: tables and intervals (`core.discovery.tables.cost`). The public
texts are drawn by the run's seed from Alpaca and from a part of the Pile, as the paper's are, and fetched from the hub
when the run comes to them; a run without a network goes on with the bundled ones.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from core.discovery.context import Work
from core.edits.edits import Edits
from core.errors import DownloadError, InputError
from core.prompts.checks import check_prompts, split
from core.prompts.public_sets import fetch_set
from core.prompts.sources import PartKind

#: Public prose is cut to so many characters, about 130 tokens, at the end of a word: its texts are whole articles.
CHARACTERS = 600


class PublicTexts(NamedTuple):
    """name: of the public set. chat: whether its texts stand in the chat template, as requests."""

    name: str
    kind: PartKind
    chat: bool


#: The paper's two sets. The Pile itself is no longer offered; this is its first 10,000 texts.
PUBLIC = (PublicTexts("alpaca", "benign", True), PublicTexts("pile-10k", "prose", False))


def texts_groups(work: Work) -> list[list[str]]:
    """The public sets, where the settings ask for any."""
    return [[one.name] for one in PUBLIC] if work.settings.public_texts and work.settings.cost_sets else []


def do_texts(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """`texts`, drawn, and `origin`, with the revision; or `missing`, the sentence that says why they are not here."""
    (name,) = group
    one = next(public for public in PUBLIC if public.name == name)
    try:
        found = fetch_set(one.name, one.kind)
    except DownloadError as error:  # OfflineError and GatedError are some
        return [{"missing": str(error)}]
    kept = check_prompts(found.rows if one.chat else [cut(text) for text in found.rows]).kept
    drawn = split(kept, {"cost": min(work.settings.public_texts, len(kept))}, work.settings.seed)["cost"]
    return [{"texts": list(drawn), "origin": found.origin, "of": len(kept)}]


def cut(text: str, most: int = CHARACTERS) -> str:
    """The beginning of a text, to the last end of a word within `most` characters."""
    text = text.strip()
    if len(text) <= most:
        return text
    found = re.match(rf".{{1,{most}}}(?=\s)", text, re.DOTALL)
    return found[0].rstrip() if found else text[:most]


def cost_groups(work: Work) -> list[list[str]]:
    """No edit, the direction, and some of the sets found, each prompt's own, drawn at random."""
    items, most = work.critical(), work.settings.cost_sets
    if most == 0 or not any(texts for _, texts, _ in cost_texts(work)):
        return []
    chosen = sorted(np.random.default_rng(work.settings.seed).permutation(len(items))[:most])
    return [["baseline"], ["direction"], *([f"set/{items[i]}"] for i in chosen)]


def do_cost(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """For each kind of text `each`, nats a token of every text, its own tokens alone; None for a text without any."""
    (item,) = group
    edits = Edits()
    if item == "direction":
        edits = Edits.ablate_direction(work.engine.direction())
    elif item != "baseline":
        edits = Edits.ablate(work.minimal(item.removeprefix("set/")))
    value: dict[str, Any] = {}
    for name, texts, chat in cost_texts(work):
        if texts:
            value[name] = {"each": [float(one) for one in work.engine.cross_entropy(texts, edits, chat)]}
    return [value]


def cost_texts(work: Work) -> list[tuple[str, list[str], bool]]:
    """(kind of text, the texts, whether they stand in the chat template): the run's own and bundled, then public."""
    most, rows = work.settings.cost_texts, work.ledger.read("texts")
    public = [
        (one.name, _usable(work, rows[one.name].value.get("texts", []), one.chat), one.chat)
        for one in PUBLIC
        if one.name in rows
    ]
    return [
        ("instruction", [work.text(i) for i in work.kept("benign")[:most]], True),
        ("plain", list(work.inputs.plain[:most]), False),
        *public,
    ]


def _usable(work: Work, texts: Sequence[str], chat: bool) -> list[str]:
    """Without requests that are too long for the model's context; prose is cut there by itself."""
    return [text for text in texts if not chat or _fits(work, text)]


def _fits(work: Work, text: str) -> bool:
    try:
        work.engine.prompt(text)
    except InputError:
        return False
    return True
