"""A card's direction as a steering vector in GGUF's control-vector format, which llama.cpp adds to the residual stream.

Knows: that format. Does not know: how a direction is found. A control vector is added after block `layer` at every
token: what `Edits.add_direction` does. An ablation is no addition, so it cannot be written as one.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from core.card.contents import Card
from core.card.source import direction_of
from core.edits.direction import Direction
from core.edits.edits import Edits
from core.errors import InputError

#: The format's name for what such a file is.
ARCHITECTURE = "controlvector"


def control_vector(card: Card) -> bytes:
    """The file. Where an edit set of the card adds the direction at all tokens, and nothing else, it is that addition,
    so that scale 1 is the edit; else the difference of means itself (unit vector times its norm). Its name says which.
    Raises InputError for a card without a direction, with one at layer 0, which llama.cpp cannot steer, or with
    additions of several amounts, of which it could be one only.
    """
    if card.source.direction is None:
        raise InputError("This card has no refusal direction, so there is no steering vector in it.")
    direction = direction_of(card.source.direction)
    if direction.layer < 1:
        raise InputError("The direction is from layer 0, and a control vector acts after layer 1 or later ones only.")
    added = _additions(card, direction)
    if len(added) > 1:
        said = ", ".join(f"{amount:g} in “{name:.40}”" for amount, name in added.items())
        raise InputError(
            f"This card adds the direction by different amounts ({said}), and a control vector is one of them. Make a "
            "card with one."
        )
    amount = next(iter(added), direction.norm)
    what = f"{next(iter(added)):+g} times the unit refusal direction" if added else "Refusal direction"
    vector = direction.vector.numpy() * np.float32(amount)
    return _gguf(card, f"{what} of {card.source.model}", direction.layer, vector.astype(np.float32))


def _additions(card: Card, direction: Direction) -> dict[float, str]:
    """How far each edit set that adds the direction alone, at all tokens, adds it → the first such set's name."""
    found: dict[float, str] = {}
    for case in card.cases:
        for state in case.states:
            items = Edits.from_text(state.edits, direction).directions
            alone = len(items) == 1 == len(Edits.from_text(state.edits, direction))
            if alone and items[0].add is not None and items[0].positions == "all":
                found.setdefault(items[0].add * items[0].strength, state.name)
    return found


def _gguf(card: Card, name: str, layer: int, vector: np.ndarray) -> bytes:
    from gguf import GGUFWriter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vector.gguf"
        writer = GGUFWriter(path, ARCHITECTURE)
        writer.add_name(name)
        writer.add_string(f"{ARCHITECTURE}.model_hint", card.source.architecture)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", card.source.n_layers)
        writer.add_tensor(f"direction.{layer}", vector)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path.read_bytes()
