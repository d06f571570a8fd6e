"""The prompts shipped with a model: short requests, harmful and benign, with a fixed split.

Knows: the csv's columns. Does not know: tokens or models.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

from core.errors import AssetError, InputError
from core.paths import assets_folder
from core.shipped_files import check_shipped
from core.text.reasons import reason_of

#: Benign prompts that the cost of an edit is measured on, at most.
COST_PROMPTS = 32


class ShippedPrompt(NamedTuple):
    """kind: harmful, lookalike or benign. pair: the harmful prompt and look-alike of one number are matched, 0 = none.
    split: train, val or test."""

    kind: str
    pair: int
    split: str
    category: str
    text: str


def prompts_file() -> Path:
    """The shipped prompts: the demo's, and those of every model that has none."""
    return assets_folder() / "demo" / "prompts.csv"


def read_shipped(path: Path) -> list[ShippedPrompt]:
    """All rows of a file of shipped prompts. Raises AssetError."""
    check_shipped(path)
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                ShippedPrompt(row["kind"], int(row["pair"]), row["split"], row["category"], row["text"])
                for row in csv.DictReader(file)
            ]
    except (OSError, KeyError, ValueError) as error:
        raise AssetError(
            f"The shipped prompts in {path.name} cannot be read ({reason_of(error)}). Restore the file."
        ) from error


def shipped_texts(prompts: list[ShippedPrompt], kind: str, split: str, most: int | None = None) -> list[str]:
    """Texts of one kind and split, in file order."""
    texts = [p.text for p in prompts if p.kind == kind and p.split == split]
    return texts if most is None else texts[:most]


def cost_texts(prompts: list[ShippedPrompt]) -> list[str]:
    """The benign prompts that the cost of an edit is measured on."""
    return shipped_texts(prompts, "benign", "val", COST_PROMPTS)


def held_out(prompts: list[ShippedPrompt], kind: str) -> list[str]:
    """Texts of one kind that nothing was trained on: the test split, then val."""
    return shipped_texts(prompts, kind, "test") + shipped_texts(prompts, kind, "val")


def held_out_file(path: Path | None, model: str, kind: str) -> list[str]:
    """The same from a model's file of shipped prompts. model: its name. Raises InputError where it has none."""
    if path is None:
        raise InputError(
            f"“{model}” has no shipped prompts. Give a file with prompts (--harmful and --benign on the command line)."
        )
    return held_out(read_shipped(path), kind)


def plain_texts() -> list[str]:
    """Passages of ordinary prose in the public domain, for measuring what an edit costs. Raises AssetError."""
    path = assets_folder() / "plain_text.txt"
    check_shipped(path)
    try:
        parts = path.read_text(encoding="utf-8").split("\n\n")
    except OSError as error:
        raise AssetError(
            f"The plain texts in {path.name} cannot be read ({reason_of(error)}). Restore the file."
        ) from error
    return [" ".join(part.split()) for part in parts if part.strip() and not part.startswith("#")]
