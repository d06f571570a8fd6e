"""A card read back from HTML or JSON, with everything that can be wrong with a file told in a sentence.

Knows: the data block of the page, format, version and digests. Does not know: how a page looks, or what numbers mean.
A digest tells what was changed by accident or by hand; who forges a card can compute a new one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from core.card.checks import check
from core.card.contents import FORMAT, VERSION, Card, digest_of
from core.card.page import MARK, page_parts
from core.errors import HydrascopeError, InputError
from core.hydra.as_json import from_json
from core.text.json_text import json_text, json_value
from core.text.reasons import reason_of

_CUT = "is cut short: the end of the card is missing. Get the whole file again."
#: Larger files are no cards.
MOST_BYTES = 64 * 2**20


class CardError(InputError):
    """A file that is no card, or no longer the card that was made."""


def read_card(path: str | Path) -> Card:
    """The card in a file. Raises CardError."""
    where = Path(path)
    try:
        if where.stat().st_size > MOST_BYTES:
            raise CardError(f"{where.name} is larger than {MOST_BYTES // 2**20} MB, so it is not a card.")
        data = where.read_bytes()
    except OSError as error:
        raise CardError(f"{where} cannot be read ({error.strerror or error}). Give the file of a card.") from error
    return parse_card(data, where.name)


def parse_card(data: bytes, name: str) -> Card:
    """The same from a file's bytes. name: what it is called in errors. Raises CardError."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CardError(f"{name} is not a text file, so it is not a card.") from error
    is_page = text.lstrip().startswith("<")
    return _card(_read_json(_data(text, name) if is_page else text, name), name)


def _data(text: str, name: str) -> str:
    """The JSON inside a page that is as it was made."""
    parts = page_parts(text)
    if parts is None:
        if MARK in text:
            raise CardError(f"{name} {_CUT}")
        raise CardError(f"{name} is a page, but not a Hydrascope card. Give the HTML or JSON file of a card.")
    if parts.stated != parts.found:
        raise CardError(
            f"The page {name} was changed after it was made: its text does not fit its digest. Get the card again from "
            "whoever made it."
        )
    return parts.data


def _read_json(text: str, name: str) -> dict[str, Any]:
    try:
        found = json_value(text)
    except ValueError as error:
        if text.lstrip().startswith("{") and FORMAT in text[:200]:
            if text.rstrip().endswith("}"):
                raise CardError(
                    f"{name} cannot be read as a card ({reason_of(error)}). Get it again from whoever made it."
                ) from error
            raise CardError(
                f"{name} is cut short: the end of the card is missing. Get the whole file again."
            ) from error
        raise CardError(f"{name} is not a card. Give the HTML or JSON file that “Card” downloads.") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise CardError(f"{name} is not a card. Give the HTML or JSON file that “Card” downloads.")
    return found


def _card(found: dict[str, Any], name: str) -> Card:
    version, held = found.get("version"), found.get("card")
    if not isinstance(version, int) or version < 1 or not isinstance(held, dict):
        raise CardError(f"{name} is not a whole card: its version or its contents are missing. Get it again.")
    if version > VERSION:
        raise CardError(
            f"{name} was made by a newer Hydrascope (card version {version}; this one reads up to {VERSION}). Update "
            "Hydrascope to read it."
        )
    # NaN and infinity, which no card has, would count as null in the digest.
    if json_value(json_text(held)) != held or digest_of(held) != found.get("digest"):
        raise CardError(
            f"A number or a text in {name} was changed after it was made: the contents do not fit their digest. Get "
            "the card again from whoever made it."
        )
    try:
        card: Card = from_json(Card, held, "the card")
        check(card)
    except (ValueError, KeyError, TypeError, OverflowError, HydrascopeError) as error:
        raise CardError(
            f"{name} cannot be read as a card ({reason_of(error)}). Get it again from whoever made it."
        ) from error
    if (not card.cases and card.run is None) or not all(case.turns and case.states for case in card.cases):
        raise CardError(f"{name} has a prompt without measurements, or none at all. Make the card again.")
    return card
