"""JSON from outside, read into the shape that it must have (`core.schemas`).

Knows: texts and files. Does not know: any shape.
"""

from __future__ import annotations

from pathlib import Path

from core.schemas.schema import Shape, checked
from core.text.json_text import json_value


def parsed(shape: type[Shape], text: str | bytes) -> Shape:
    """A JSON text in a shape. Raises ValueError, in plain words."""
    return checked(shape, json_value(text))


def read(shape: type[Shape], path: Path) -> Shape:
    """A JSON file in a shape. Raises OSError, and ValueError in plain words."""
    return parsed(shape, path.read_bytes())
