"""Where each feature of a layer fires most strongly among many tokens, and which tokens its decoder row promotes.

Knows: residuals as rows, SAE blocks, the unembedding. Does not know: where the tokens come from, or words for features.
What a feature promotes: the tokens whose logits its decoder row raises most, through the final norm's gain and the
unembedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch

from core.errors import AssetError
from core.forward.runtime import Runtime
from core.models.placement import on_device
from core.saes.columns import activations

#: Promoted tokens that are listed of a feature.
PROMOTED = 6
#: Rows of the unembedding at a time: a vocabulary of 256,000 in float32 would be gigabytes.
VOCABULARY_AT_ONCE = 65_536


class Strongest(NamedTuple):
    """A block of n features over a sample of tokens. first: the index of its first feature.

    value: float32 [most, n], its largest activations, strongest first; place: int64 [most, n], the rows where they are.
    density: float32 [n], the share of rows on which it is active. promoted: for each feature token ids, best first.
    """

    first: int
    value: np.ndarray
    place: np.ndarray
    density: np.ndarray
    promoted: list[list[int]]


def strongest(runtime: Runtime, layer: int, x: torch.Tensor, most: int, size: int) -> Iterator[Strongest]:
    """Every feature of a layer over x float32 [rows, d_model], the layer's residuals; `size` features at a time."""
    gain = final_gain(runtime.model)
    x, bias = x.to(runtime.device_of(layer)), runtime.input_bias(layer)
    for start, columns in runtime.blocks(layer, size):
        with runtime.lock, torch.inference_mode():
            f = activations(x, columns, bias)
            value, place = (part.cpu().numpy() for part in f.topk(min(most, len(f)), dim=0))
            density = (f > 0).float().mean(0).cpu().numpy()
            promoted = _tokens(runtime, columns.decoder, gain)
        yield Strongest(start, value, place, density, promoted)


def final_gain(model: Any) -> torch.Tensor:
    """float32 [d_model]: what the norm before the unembedding multiplies each direction with, up to one factor for all.

    Llama's norms multiply by weight, Gemma's by 1 + weight, and a LayerNorm also subtracts the mean and adds a bias.
    Which it is, is measured and not guessed from a name: of ±1 in turn the mean is 0, and a bias cancels between the
    two signs. Raises AssetError.
    """
    for path in ("model.norm", "model.language_model.norm", "transformer.ln_f", "gpt_neox.final_layer_norm"):
        norm: Any = model
        for name in path.split("."):
            norm = getattr(norm, name, None)
        if norm is None:
            continue
        with torch.inference_mode():
            with on_device(norm):
                weight = next(norm.parameters()).float()
            signs = torch.ones_like(weight)
            signs[1::2] = -1
            probe = signs.to(next(norm.parameters()).dtype)
            measured = (norm(probe).float() - norm(-probe).float()) / 2 * signs
            for exact in (weight, 1 + weight):  # without the rounding of the probe
                if torch.allclose(measured, exact, rtol=0.02, atol=1e-3):
                    return exact
            return measured
    raise AssetError(f"{type(model).__name__} has no final norm in the usual place. Use a Llama- or Gemma-like model.")


def suppressed(runtime: Runtime, layer: int, indices: np.ndarray) -> list[list[int]]:
    """For each of these features of a layer the token ids whose logits its decoder row lowers most, the lowest first.

    indices: int64 [n]. Special tokens are left out, as among the promoted.
    """
    with torch.inference_mode():
        return _tokens(runtime, -runtime.dictionaries[layer].decoders(indices).float(), final_gain(runtime.model))


def _tokens(runtime: Runtime, decoder: torch.Tensor, gain: torch.Tensor) -> list[list[int]]:
    """For each row the token ids whose logits it raises most; special tokens are left out."""
    head = runtime.model.get_output_embeddings()
    with on_device(head):
        weight = head.weight
    decoder, gain = decoder.to(weight.device), gain.to(weight.device)
    special = torch.tensor(sorted(runtime.tokenizer.all_special_ids), dtype=torch.int64, device=weight.device)
    best: list[torch.Tensor] = []
    which: list[torch.Tensor] = []
    for start in range(0, len(weight), VOCABULARY_AT_ONCE):
        logits = decoder @ (weight[start : start + VOCABULARY_AT_ONCE].float() * gain).T
        inside = special[(special >= start) & (special < start + logits.shape[1])] - start
        top = logits.index_fill_(1, inside, -torch.inf).topk(min(PROMOTED, logits.shape[1]), dim=1)
        best.append(top.values)
        which.append(top.indices + start)
    order = torch.cat(best, 1).topk(PROMOTED, dim=1).indices
    return torch.cat(which, 1).gather(1, order).tolist()
