"""How a shape is written down, and how a value is held against one.

Knows: pydantic. Does not know: any shape.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Schema(BaseModel):
    """A shape: frozen, its numbers finite. Fields that are not named are left alone: others may need them."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


Shape = TypeVar("Shape", bound=Schema)


def checked(shape: type[Shape], value: Any) -> Shape:
    """A value that was read already, or an object with such attributes. Raises ValueError, in plain words."""
    try:
        return shape.model_validate(value, from_attributes=True)
    except ValidationError as error:
        raise ValueError(_words(error)) from None  # pydantic's own text quotes what came, at any length


def _words(error: ValidationError) -> str:
    """The first thing that is wrong: where, and what."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    where = ".".join(map(str, first["loc"]))[:80]
    if first["type"] == "missing":
        return f"“{where}” is missing"
    wrong = first["msg"].removeprefix("Value error, ").splitlines()[0][:120]
    return f"“{where}”: {wrong[:1].lower()}{wrong[1:]}" if where else f"{wrong[:1].lower()}{wrong[1:]}"
