"""Of which model and SAEs labels are: one text a layer, kept in a file of labels and compared when it is read.

Knows: digests of weights and of SAE records. Does not know: labels, or where they lie. A label made for other SAEs
is of another feature, although its number is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from core.engine import Engine
from core.text.layers import layers_text

#: Where a file of labels says what they are of.
MADE_OF = b"made_of"


def origins_of(engine: Engine) -> dict[int, str]:
    """layer → digests of the model's weights and of that layer's SAE records, as they were loaded."""
    digests = engine.runtime.digests
    return {layer: f"{digests.weights} {digest}" for layer, digest in digests.saes.items()}


def left_out_sentence(others: Sequence[int], unknown: Sequence[int]) -> str:
    """Which layers' labels are not shown; empty for none. others: made for others. unknown: without an origin."""
    told = []
    if others:
        told.append(
            f"Labels of layers {layers_text(others)} were made for other SAEs or other files of the model, so they "
            "are not shown."
        )
    if unknown:
        told.append(
            f"Labels of layers {layers_text(unknown)} come from an earlier version, so it cannot be told for which "
            "SAEs they were made, and they are not shown."
        )
    return " ".join([*told, "`hydrascope labels` makes them again."]) if told else ""
