"""The quality card of an SAE: how well it reads text that nothing was trained on, as it lies beside the weights.

Knows: `card.json` in an SAE's folder, and how a card reads in words. Does not know: how it is measured
(`core.training.card`), models, pages. Published suites have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from core.hashes import sha256_of
from core.schemas.saes import QualityCard
from core.shaped import read
from core.shipped_files import check_shipped
from core.text.json_text import json_value

CARD, WEIGHTS = "card.json", "sae_weights.safetensors"
#: Headings of `table_rows`, with what each figure means.
COLUMNS = {
    "layer": "Decoder layer after which the SAE reads the residual stream",
    "features": "Features of the SAE (d_sae)",
    "explained variance": "Share of the residuals' variance that the SAE gives back; 1 is everything",
    "L0": "Active features a token",
    "silent": "Share of features that are never active on the held-out text",
    "cross-entropy recovered": "What is kept of the model's predictions with the reconstruction in place of the "
    "residuals: 1 is everything, 0 is as bad as zeros",
    "random: explained variance": "The same of random directions with as many active features",
    "random: cross-entropy": "The same of random directions with as many active features",
    "held-out tokens": "Tokens that the figures are measured on",
}


@dataclass(frozen=True)
class SaeCard:
    """Of one layer's SAE, on held-out chat text. tokens: of the text. explained_variance, silent, ce_recovered: shares.
    l0: active features a token. random: explained variance and cross-entropy recovered of a random dictionary, None
    where they were not measured. intervals: 95% of the figures by their names, over conversations, and over features
    that of the silent ones. weights: sha256 of the file of weights that was measured; empty in cards that do not say.
    """

    layer: int
    width: int
    tokens: int
    explained_variance: float
    l0: float
    silent: float
    ce_recovered: float
    random: tuple[float, float] | None = None
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict, hash=False)
    weights: str = ""

    def text(self, name: str, form: str) -> str:
        """A figure with its interval, if it has one: “0.948 (0.941–0.955)”."""
        value, ends = f"{getattr(self, name):{form}}", self.intervals.get(name)
        return value if ends is None else f"{value} ({ends[0]:{form}}–{ends[1]:{form}})"

    @property
    def sentence(self) -> str:
        """In one line, for people."""
        return (
            f"explained variance {self.explained_variance:.2f}, cross-entropy recovered {self.ce_recovered:.2f}, "
            f"{self.l0:.0f} active features a token, {self.silent:.0%} silent, on {self.tokens:,} held-out chat tokens"
        )


def read_card(folder: Path) -> SaeCard | None:
    """The card beside an SAE; None where there is none that can be read. Raises AssetError for a shipped one that was
    changed."""
    if (folder / CARD).is_file():
        check_shipped(folder / CARD)
    try:
        found = read(QualityCard, folder / CARD)
    except (OSError, ValueError):
        return None
    return SaeCard(
        found.layer,
        found.width,
        found.tokens,
        found.explained_variance,
        found.l0,
        found.silent,
        found.ce_recovered,
        (found.random.explained_variance, found.random.ce_recovered) if found.random else None,
        found.intervals,
        found.weights,
    )


def cards_of(saes: Mapping[int, object]) -> dict[int, SaeCard]:
    """layer → its card, of SAEs that lie in folders and have one of their own. saes: as a ModelSpec names them."""
    read = {layer: _own_card(layer, source) for layer, source in sorted(saes.items()) if isinstance(source, Path)}
    return {layer: card for layer, card in read.items() if card is not None}


def useless_cards(saes: Mapping[int, object]) -> tuple[int, ...]:
    """Layers beside whose SAE lies a card that cannot be read, or is of another SAE. saes: as `cards_of` takes them."""
    read = cards_of(saes)
    there = (n for n, source in sorted(saes.items()) if isinstance(source, Path) and (source / CARD).is_file())
    return tuple(layer for layer in there if layer not in read)


def _own_card(layer: int, folder: Path) -> SaeCard | None:
    """The card beside the SAE of a layer; None where it is of another layer, width or file of weights."""
    card = read_card(folder)
    if card is None or card.layer != layer:
        return None
    with suppress(OSError, ValueError, AttributeError):  # whoever loads the SAE hears of it
        width = json_value((folder / "cfg.json").read_text(encoding="utf-8")).get("d_sae")
        if width not in (None, card.width) or card.weights not in ("", sha256_of(folder / WEIGHTS)):
            return None
    return card


def table_rows(cards: Mapping[int, SaeCard]) -> list[dict[str, str]]:
    """One row a layer, under the headings of `COLUMNS`."""
    return [dict(zip(COLUMNS, _cells(cards[layer]), strict=True)) for layer in sorted(cards)]


def summary(cards: Mapping[int, SaeCard]) -> str:
    """Between what and what the layers' figures lie, in one sentence; empty without any card."""
    if not cards:
        return ""
    variance, recovered, silent = (
        _range([getattr(card, name) for card in cards.values()])
        for name in ("explained_variance", "ce_recovered", "silent")
    )
    tokens = min(card.tokens for card in cards.values())
    return (
        f"Explained variance {variance}, cross-entropy recovered {recovered}, silent features {silent} (on {tokens:,} "
        "held-out chat tokens)."
    )


def _range(values: list[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low}–{high}"


def _cells(card: SaeCard) -> tuple[str, ...]:
    chance = ("", "") if card.random is None else tuple(f"{value:.3f}" for value in card.random)
    return (
        str(card.layer),
        f"{card.width:,}",
        card.text("explained_variance", ".3f"),
        card.text("l0", ".1f"),
        card.text("silent", ".1%"),
        card.text("ce_recovered", ".3f"),
        *chance,
        f"{card.tokens:,}",
    )
