"""What every SAE says of a prompt, or of many: active features, alignment with the direction, reconstruction error.

Knows: whole dictionaries, one layer (and one block) at a time. Does not know: where they are kept, edits' compilation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import torch

from core.arguments import check_last
from core.edits.direction import Direction
from core.edits.edits import Edits
from core.errors import InputError
from core.forward.batches import read_tokens, run
from core.forward.passes import PassRequest
from core.forward.runtime import Runtime
from core.prompts.template import Prompt
from core.saes.columns import activations


def residuals(runtime: Runtime, prompt: Prompt, edits: Edits) -> dict[int, torch.Tensor]:
    """layer → float32 [positions, d_model] on the device: resid_post before that layer's own edit, SAE layers only."""
    keep = frozenset(runtime.dictionaries)
    plan = runtime.plan([edits])
    batch = next(iter(run(runtime, plan, [prompt], PassRequest(residuals=keep))))
    return {layer: found[0] for layer, found in sorted(batch.current.residuals.items())}


@torch.inference_mode()
def unedited_residuals(runtime: Runtime, tokens: Sequence[int], layers: Collection[int]) -> dict[int, torch.Tensor]:
    """layer → float32 [tokens, d_model] on the CPU: resid_post of the unedited model over plain token ids."""
    request = PassRequest(residuals=frozenset(layers), stop_after=max(layers))
    found = read_tokens(runtime, runtime.plan([Edits()]), tokens, request).residuals
    return {layer: found[layer][0].cpu() for layer in layers}


def active_features(runtime: Runtime, prompt: Prompt, edits: Edits, direction: Direction | None) -> pd.DataFrame:
    """One row per active (feature, position): layer, index, position, token, activation, cosine.

    cosine is between the feature's decoder row and the direction (NaN without one). Read before the layer's own edit.
    """
    frame = activity(runtime, [prompt], edits, direction)
    frame["token"] = np.array(prompt.pieces, dtype=object)[frame["position"].to_numpy(dtype=np.int64)]
    return frame[["layer", "index", "position", "token", "activation", "cosine"]]


def activity(
    runtime: Runtime,
    prompts: Sequence[Prompt],
    edits: Edits,
    direction: Direction | None = None,
    layers: Collection[int] | None = None,
    last: int | None = None,
) -> pd.DataFrame:
    """Active features of many prompts, each dictionary read once for all of them.

    One row per active (prompt, feature, position): prompt (its place in `prompts`), layer, index, position, activation,
    cosine; sorted. layers: only these (all with an SAE when None). last: only the last so many positions of a prompt.
    The residual stream of all prompts is held: float32 [positions, d_model] a layer. Raises InputError for a layer
    without an SAE, and for another `last` than that.
    """
    check_last(last)
    if unknown := sorted(set(layers or ()) - set(runtime.dictionaries)):
        raise InputError(f"There is no SAE at layer {unknown[0]}. Choose from {sorted(runtime.dictionaries)}.")
    stacked: dict[int, list[torch.Tensor]] = {}
    owner, place = [], []
    for number, prompt in enumerate(prompts):
        start = 0 if last is None else max(0, len(prompt) - last)
        owner.append(np.full(len(prompt) - start, number))
        place.append(np.arange(start, len(prompt)))
        for layer, x in residuals(runtime, prompt, edits).items():
            if layers is None or layer in layers:
                stacked.setdefault(layer, []).append(x[start:])
    parts = []
    for layer, several in stacked.items():
        row, index, value = _active(runtime, layer, torch.cat(several))
        found = {
            "prompt": np.concatenate(owner)[row],
            "layer": np.int64(layer),
            "index": index,
            "position": np.concatenate(place)[row],
            "activation": value,
        }
        parts.append(pd.DataFrame(found))
    frame = _join(parts, ["prompt", "layer", "index", "position", "activation"])
    frame["cosine"] = cosines(runtime, direction, *(frame[name].to_numpy(np.int64) for name in ("layer", "index")))
    return frame.sort_values(["prompt", "layer", "index", "position"], ignore_index=True)


def _active(runtime: Runtime, layer: int, x: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(row, index, activation) of every feature that fires on x float32 [rows, d_model]; decoders are not read."""
    found, bias = [], runtime.input_bias(layer)
    for start, columns in runtime.encoders(layer):
        with runtime.lock, torch.inference_mode():
            f = activations(x, columns, bias)
            row, column = (f > 0).nonzero(as_tuple=True)
            found.append((row.cpu().numpy(), column.cpu().numpy() + start, f[row, column].cpu().numpy()))
    rows, indices, values = (np.concatenate(several) for several in zip(*found, strict=True))
    return rows, indices, values


def cosines(runtime: Runtime, direction: Direction | None, layer: np.ndarray, index: np.ndarray) -> np.ndarray:
    """float32 [n]: cosine of each feature's decoder row with the refusal direction; NaN without one.

    layer, index: int64 [n]. Only these features' rows are read, one that is named several times once.
    """
    found = np.full(len(layer), np.nan, dtype=np.float32)
    for number in np.unique(layer) if direction is not None else ():
        here = layer == number
        each, place = np.unique(index[here], return_inverse=True)
        decoder = runtime.dictionaries[int(number)].decoders(each)
        found[here] = decoder_cosine(decoder, direction).numpy()[place]
    return found


def decoder_cosine(decoder: torch.Tensor, direction: Direction | None) -> torch.Tensor:
    """float32 [n]: cosine of each decoder row with the direction; NaN without one."""
    if direction is None:
        return torch.full((len(decoder),), float("nan"), device=decoder.device)
    return (decoder @ direction.vector.to(decoder)) / decoder.norm(dim=-1).clamp_min(1e-12)


def alignment(runtime: Runtime, direction: Direction) -> pd.DataFrame:
    """Every feature of every SAE layer: layer, index, cosine of its decoder row with the direction (paper, Stage 1)."""
    parts = []
    for layer in sorted(runtime.dictionaries):
        for start, decoder in runtime.decoders(layer):
            cosine = decoder_cosine(decoder, direction).cpu().numpy()
            parts.append(
                pd.DataFrame({"layer": layer, "index": np.arange(start, start + len(cosine)), "cosine": cosine})
            )
    return _join(parts, ["layer", "index", "cosine"])


def reconstruction(runtime: Runtime, prompt: Prompt) -> pd.DataFrame:
    """How well each SAE reads this prompt: layer, position, token, norm (of resid_post), error, active.

    error is ‖h − ĥ‖ / ‖h‖, active the number of active features (L0). BOS is out of distribution for most SAEs.
    """
    rows = []
    for layer, x in residuals(runtime, prompt, Edits()).items():
        total = runtime.dictionaries[layer].output_bias.to(x.device).expand_as(x).clone()
        active = torch.zeros(len(x), dtype=torch.int64, device=x.device)
        bias = runtime.input_bias(layer)
        for _, columns in runtime.blocks(layer):
            with runtime.lock, torch.inference_mode():
                f = activations(x, columns, bias)
                total += f @ columns.decoder
                active += (f > 0).sum(-1)
        norm = x.norm(dim=-1)
        error = ((x - total).norm(dim=-1) / norm.clamp_min(1e-12)).cpu().numpy()
        rows.append(
            pd.DataFrame(
                {
                    "layer": layer,
                    "position": np.arange(len(x)),
                    "token": prompt.pieces,
                    "norm": norm.cpu().numpy(),
                    "error": error,
                    "active": active.cpu().numpy(),
                }
            )
        )
    return _join(rows, ["layer", "position", "token", "norm", "error", "active"])


def _join(parts: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One table of all parts; an empty one with these columns where the model has no SAE."""
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({name: [] for name in columns})
