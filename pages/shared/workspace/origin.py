"""Which model and SAEs a workspace is about: a feature's number means something there only.

Pure. Knows: names, digests of SAEs shortened for an address. Does not know: workspaces, sessions, engines.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import NamedTuple

#: Hex digits of an SAE's digest that an address has: enough to tell a replaced SAE, and not made against forgery.
_DIGITS = 6
_SAE = re.compile(r"(\d{1,4})\.([0-9a-f]{6})")


class Origin(NamedTuple):
    """model: its name, empty where it is not known. saes: (layer, first digits of the SAE's digest), by layer; a layer
    that is not there is not known."""

    model: str = ""
    saes: tuple[tuple[int, str], ...] = ()


NOT_KNOWN = Origin()


def origin(model: str, digests: Mapping[int, str]) -> Origin:
    """Of a loaded model. digests: layer → digest of the SAE."""
    return Origin(model, tuple((layer, digest[:_DIGITS]) for layer, digest in sorted(digests.items())))


def other_layers(before: Origin, here: Origin, layers: Collection[int]) -> tuple[int, ...]:
    """The layers, of these, whose SAE is another here than before, as far as that is known."""
    now = dict(here.saes)
    return tuple(layer for layer, digest in before.saes if layer in layers and now.get(layer, digest) != digest)


def is_other(before: Origin, here: Origin, layers: Collection[int]) -> bool:
    """Whether the model or the SAE of one of these layers is another here than before, as far as that is known."""
    return (before.model not in ("", here.model)) or bool(other_layers(before, here, layers))


def write_saes(found: Origin, layers: Collection[int]) -> str:
    """The SAEs of these layers as an address has them: `12.0a1b2c,14.3d4e5f`."""
    return ",".join(f"{layer}.{digest}" for layer, digest in found.saes if layer in layers)


def read(model: str, saes: str) -> Origin:
    """What an address says. What cannot be read of it is left out."""
    found = [match for part in saes.split(",") if (match := _SAE.fullmatch(part.strip()))]
    return Origin(model, tuple(sorted({int(match[1]): match[2] for match in found}.items())))
