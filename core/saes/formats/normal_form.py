"""SAELens's normal form of an elementwise SAE, and how named arrays of a file become it, block by block.

Knows: what encoder, decoder, biases and thresholds are. Does not know: file formats, suites, or where files come from.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from core.errors import AssetError
from core.saes.columns import Columns

#: What torch's two Linears call encoder, decoder, encoder bias and decoder bias.
LINEAR = ("encoder.weight", "decoder.weight", "encoder.bias", "decoder.bias")


@dataclass(frozen=True)
class SaeFile:
    """An SAE on disk, nothing of its matrices read yet.

    output_bias: b_dec, float32 [d_model]. subtracts_bias: whether it is subtracted from the input (SAELens:
    apply_b_dec_to_input). dtype: “float16” where every tensor is, else “float32”: what records need to be exact.
    hook: where it reads, as SAELens names it, empty where the files do not say. block(start, stop): those features.
    """

    d_model: int
    d_sae: int
    output_bias: torch.Tensor
    subtracts_bias: bool
    dtype: str
    hook: str
    block: Callable[[int, int], Columns]


class Tensors(Protocol):
    """Named arrays of one file, any part of which can be read alone."""

    def __contains__(self, name: object) -> bool: ...
    def shape(self, name: str) -> tuple[int, ...]: ...
    def part(self, name: str, *where: slice) -> torch.Tensor: ...
    def half(self) -> bool: ...


def sae_file(
    folder: Path,
    file: Tensors,
    subtracts_bias: bool,
    names: tuple[str, str, str, str] = ("W_enc", "W_dec", "b_enc", "b_dec"),
    *,
    scale: float = 1.0,
    hook: str = "",
    threshold: Callable[[slice], torch.Tensor] | None = None,
) -> SaeFile:
    """The normal form of a file's arrays. Raises AssetError, KeyError for an array that is not there, ValueError for
    shapes that do not fit each other.

    names: of encoder, decoder, encoder bias, decoder bias; a matrix called ….weight is torch's Linear, stored the other
    way round. scale: of inputs, folded in: encoder · scale, decoder ÷ scale, decoder bias ÷ scale. threshold: of some
    features, where it is not the array of that name.
    """
    encoder, decoder, bias, output = names
    if "scaling_factor" in file and not torch.allclose(factor := file.part("scaling_factor"), torch.ones_like(factor)):
        raise AssetError(f"The SAE in {folder} has a scaling factor. Fold it into the weights first.")
    d_sae = file.shape(bias)[0]
    d_model = file.shape(output)[0]
    encoder_turned, decoder_turned = encoder.endswith(".weight"), decoder.endswith(".weight")
    wide, tall = (d_sae, d_model), (d_model, d_sae)
    expected: dict[str, tuple[int, ...]] = {
        encoder: wide if encoder_turned else tall,
        decoder: tall if decoder_turned else wide,
    }
    if threshold is None:
        expected["threshold"] = (d_sae,)
        threshold = lambda some: file.part("threshold", some)  # noqa: E731
    for name, shape in expected.items():
        if file.shape(name) != shape:
            raise ValueError(f"{name} has shape {file.shape(name)} instead of {shape}")
    level = threshold

    def block(start: int, stop: int) -> Columns:
        some, whole = slice(start, min(stop, d_sae)), slice(None)
        first = file.part(encoder, some) if encoder_turned else file.part(encoder, whole, some).T
        second = file.part(decoder, whole, some).T if decoder_turned else file.part(decoder, some)
        if scale != 1.0:
            first, second = first * scale, second / scale
        return Columns(first, second, file.part(bias, some), level(some))

    output_bias = file.part(output)
    if not bool(output_bias.isfinite().all()):
        raise AssetError(
            f"The SAE in {folder} has a number that is not finite (NaN or infinity) in its decoder bias. Its file is "
            "damaged or was not trained to the end; get it again."
        )
    return SaeFile(
        d_model,
        d_sae,
        output_bias / scale if scale != 1.0 else output_bias,
        bool(subtracts_bias),
        "float16" if file.half() and scale == 1.0 else "float32",
        hook,
        block,
    )
