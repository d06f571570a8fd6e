"""The stored example of the guided tour: one JSON file shipped with a model, with everything its numbers depend on.

Knows: the file, and whether it belongs to a loaded model. Does not know: how anything is measured or shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from core.errors import AssetError
from core.hydra.as_json import from_json, to_json
from core.hydra.self_repair import COLUMNS
from core.hydra.tour import Example, Measured
from core.judges.classifier import files_digest
from core.models.spec import ModelSpec
from core.shipped_files import check_shipped
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

#: Changes when the file's layout does.
FORMAT = 1
#: The largest file that is shipped, in bytes.
MOST_BYTES = 200_000
_CARD = "card.json"
_MARKS = ("layer", "index", "position", "activation", "cosine")
_MATTERS = ("group", "features", "difference", "control", "control_low", "control_high")


class About(NamedTuple):
    """What the numbers depend on besides prompt and edits, as `cache.store.provenance` names it, and their source.

    sae_files: digest of the SAEs' files. made: the day. command: what wrote the file. chosen: how the prompt was
    chosen, a sentence. more: where the figures over many prompts are, a sentence.
    """

    model: str
    revision: str
    dtype: str
    device: str
    direction: str
    saes: str
    versions: str
    sae_files: str
    made: str
    command: str
    chosen: str
    more: str


class StoredTour(NamedTuple):
    """An example with what was measured of it, and what that depends on."""

    about: About
    example: Example
    measured: Measured

    def belongs_to(self, facts: Mapping[str, str]) -> bool:
        """Whether a model with these facts, named as in `About`, is the one measured. Number format and device may be
        others: they change the last digits only."""
        return all(getattr(self.about, name) == facts[name] for name in IDENTITY)


#: What must be the same for stored numbers to be a model's own.
IDENTITY = ("model", "revision", "direction", "saes", "sae_files")


def sae_files_digest(spec: ModelSpec) -> str:
    """A digest of what the SAEs' files hold, without their cards; empty for published SAEs.

    Raises AssetError.
    """
    folders = [folder for _, folder in sorted(spec.saes.items()) if isinstance(folder, Path)]
    try:
        inside = [path for folder in folders for path in sorted(folder.iterdir())]
        files = [path for path in inside if path.is_file() and path.name != _CARD]
        return files_digest(files) if files else ""
    except OSError as error:
        raise AssetError(
            f"The SAEs of “{spec.name}” cannot be read ({reason_of(error)}). Restore their files."
        ) from error


def write_tour(path: Path, tour: StoredTour) -> None:
    """Write the file. What is read from it again is drawn: margins and the tokens' texts in tables are left out."""
    woken = {name: table for name, table in to_json(tour.measured.woken).items() if name != "margins"}
    woken |= {name: {key: woken[name][key] for key in woken[name] if key != "token"} for name in ("marks", "ablated")}
    made = {
        "format": FORMAT,
        "about": to_json(tour.about),
        "example": to_json(tour.example),
        "measured": to_json(tour.measured) | {"woken": woken},
    }
    lines = json_text(made, ascii_only=False, separators=(",", ":")).replace('},"', '},\n"')
    path.write_text(lines + "\n", encoding="utf-8")


def read_tour(path: Path) -> StoredTour:
    """Read it again. Raises AssetError: no such file, damaged, a name or a number missing, of another layout."""
    check_shipped(path)
    try:
        made = json_value(path.read_text(encoding="utf-8"))
        if not isinstance(made, dict) or made.get("format") != FORMAT:
            raise ValueError(f"its layout is not number {FORMAT}")
        made["measured"]["woken"]["margins"] = {}
        tour: StoredTour = from_json(StoredTour, made)
        _check(tour.measured)
    except (OSError, ValueError, KeyError, TypeError) as error:
        said = str(error) if isinstance(error, ValueError | OSError) else f"{error} is missing"
        raise AssetError(
            f"The stored tour in {path.name} cannot be read ({said:.200}). Restore the file, or write it again with "
            "scripts/hydra/tour.py."
        ) from error
    return tour


def _check(measured: Measured) -> None:
    """Raises ValueError unless every table has the columns that are drawn."""
    tables: list[tuple[str, pd.DataFrame, Any]] = [
        ("marks", measured.woken.marks, (*_MARKS, "bos")),
        ("ablated", measured.woken.ablated, _MARKS),
        ("matters", measured.matters, _MATTERS if len(measured.matters) else ()),
        ("dose", measured.dose, ("strength", "score", "woken")),
        *(("blocks", one.blocks, COLUMNS) for one in (measured.repair.found, *measured.repair.controls)),
    ]
    for name, table, columns in tables:
        if lacking := [column for column in columns if column not in table]:
            raise ValueError(f"“{name}” lacks “{lacking[0]}”")
