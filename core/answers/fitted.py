"""What was fitted and measured on the labelled answers: each rule's thresholds, and how far each agrees with people.

Knows: `assets/answers/rules.json`, which `scripts/answers/fit.py` writes. Does not know: how anything is fitted.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from core.answers.rule import Thresholds
from core.errors import AssetError
from core.paths import assets_folder
from core.shipped_files import check_shipped
from core.text.json_text import json_value
from core.text.reasons import reason_of


class WithPeople(NamedTuple):
    """Agreement with people's labels on the answers no rule was fitted on: Cohen's κ with its 95% bootstrap interval
    over answers, the share of answers judged alike, and how many."""

    kappa: float
    low: float
    high: float
    alike: float
    n: int

    def __str__(self) -> str:
        return f"κ {self.kappa:.2f} (n = {self.n})"


@cache
def _file() -> dict[str, Any]:
    path = assets_folder() / "answers" / "rules.json"
    check_shipped(path)
    try:
        read: dict[str, Any] = json_value(path.read_text(encoding="utf-8"))
        return read
    except (OSError, ValueError) as error:
        raise AssetError(f"{path} cannot be read ({reason_of(error)}). Install Hydrascope again.") from error


@cache
def thresholds(name: str) -> Thresholds:
    """What the rule called `name` decides by. Raises AssetError."""
    return Thresholds(**_file()["thresholds"][name])


def fit_revision() -> str:
    """Which labelled answers the thresholds were fitted on: 8 hex digits of their sha256."""
    return str(_file()["labelled"])


def with_people(name: str, revision: str = "") -> WithPeople | None:
    """How far a judge agrees with people; None for one that was not measured, or in another revision of it.

    A judge of a loaded model names it behind its revision; the rule itself is what was measured.
    """
    found = _file()["agreement"].get(name)
    if found is None or (revision and not revision.startswith(found["revision"])):
        return None
    return WithPeople(*(found[key] for key in WithPeople._fields))


def agreement_sentence(name: str, revision: str = "") -> str:
    """What must stand beside every rate of a judge."""
    found = with_people(name, revision)
    if found is None:
        return f"The judge “{name}” was not compared with people here."
    return f"The judge “{name}” agrees with people: {found}."
