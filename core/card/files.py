"""A card in each of its forms, by the file's ending: page, data, notebook, control vector.

Knows: endings. Does not know: how a form is made.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from core.card.contents import Card, card_json
from core.errors import InputError
from core.kept_files import write_to
from core.text.json_text import json_text


def _page(card: Card) -> bytes:
    from core.card.html import card_page

    return card_page(card).encode("utf-8")


def _data(card: Card) -> bytes:
    return (json_text(card_json(card), ascii_only=False, indent=1) + "\n").encode("utf-8")


def _notebook(card: Card) -> bytes:
    from core.card.notebook import notebook

    return (json_text(notebook(card), ascii_only=False, indent=1) + "\n").encode("utf-8")


def _vector(card: Card) -> bytes:
    from core.card.control_vector import control_vector

    return control_vector(card)


#: Ending → the card's bytes in that form. The first two can be read back.
FORMS: dict[str, Callable[[Card], bytes]] = {".html": _page, ".json": _data, ".ipynb": _notebook, ".gguf": _vector}


def check_ending(ending: str) -> None:
    """Raises InputError for an ending that no form has."""
    if ending.lower() not in FORMS:
        raise InputError(f"“{ending}” is not a form of a card. Use a file name that ends with {', '.join(FORMS)}.")


def card_bytes(card: Card, ending: str) -> bytes:
    """The card in the form of an ending. Raises InputError for an unknown one, or a form this card does not have."""
    check_ending(ending)
    return FORMS[ending.lower()](card)


def write_card(card: Card, path: Path) -> None:
    """Write it. Raises InputError, also where the file cannot be written."""
    data = card_bytes(card, path.suffix)
    try:
        write_to(path, data)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror or error}). Choose another folder.") from error
