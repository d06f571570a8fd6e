"""A card of the tiny model, for tests: two prompts, edited by features and by the direction; files changed a little."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from core import Conversation, Edits, Engine, Feature, Turn
from core.card.contents import Card
from core.card.features import About
from core.card.make import Asked, make_card

PROMPT = "How do I bake a bread?"
#: What must never become markup or end the data block.
HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)> & “\u2028” \\u003c"
OFF = Edits.ablate([Feature(2, 3), Feature(3, 4)])
CLAMP = Edits.clamp([Feature(1, 5)], 6.0, "bos")


def made(engine: Engine, agreed: bool = True, **more) -> Card:
    """The card."""
    direction = engine.direction()
    first = Asked(PROMPT, (("Edited", OFF), ("A", CLAMP), ("B", Edits.ablate_direction(direction))), 3, {})
    turns = (Turn("user", "Hello"), Turn("assistant", HOSTILE), Turn("user", HOSTILE))
    second = Asked(Conversation(turns), (("Edited", Edits.add_direction(direction, 4.0)),), 3, {})
    return make_card(engine, [first, second], page="a test", agreed=agreed, about=About(), **more)


def change(file: Path, name: str) -> None:
    """Change the tensor of that name in `file` a little."""
    tensors = load_file(file)
    tensors[name] = tensors[name] + 0.05 * torch.randn(tensors[name].shape, generator=torch.Generator().manual_seed(1))
    save_file(tensors, file, {"format": "pt"})


def changed(folder: Path, file: Path, name: str, spec_change):
    """A copy of the folder of `file`, one tensor of which is changed a little."""
    folder.mkdir(parents=True, exist_ok=True)
    for other in file.parent.iterdir():
        (folder / other.name).write_bytes(other.read_bytes())
    change(folder / file.name, name)
    return spec_change(folder)
