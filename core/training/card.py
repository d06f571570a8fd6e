"""How good an SAE is, on conversations nothing was trained on: the quality card.

Knows: recordings held out, SAEs in normal form, a plain transformers model. Does not know: how an SAE was trained. The
fixed prefix is left out everywhere, as in training. Beside every SAE stands a dictionary of random directions of the
same width, brought to the same number of active features: what is gained over chance.

    explained variance = 1 − Σ‖x − x̂‖² / Σ‖x − mean(x)‖²
    cross-entropy recovered = (CE(zero) − CE(x̂)) / (CE(zero) − CE(x)), x̂ or zero in place of the residuals
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core.models.architecture import decoder_layers
from core.saes.columns import Columns, activations
from core.training.chats import Chats
from core.training.record import PrefixPass, padded, padded_batches

_ROWS = 4096
#: Of the logits of one pass, as the model gives them and in float32.
_LOGIT_BYTES = 600_000_000
Reconstruct = Callable[[torch.Tensor], torch.Tensor]  # float32 [n, d_model] → the same shape


class Sae(NamedTuple):
    """What a card is made of. columns, output_bias: as in normal form. subtracts_bias: from the input."""

    columns: Columns
    output_bias: torch.Tensor
    subtracts_bias: bool = True

    def to(self, device: torch.device | str) -> Sae:
        return Sae(Columns(*(t.to(device) for t in self.columns)), self.output_bias.to(device), self.subtracts_bias)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        return activations(x, self.columns, self.output_bias if self.subtracts_bias else None)

    def decode(self, f: torch.Tensor) -> torch.Tensor:
        return f @ self.columns.decoder + self.output_bias


@dataclass(frozen=True)
class Fidelity:
    """On `tokens` rows. l0: active features a token. silent: share of features never active there. density: quantiles
    0.1, 0.5, 0.9 of the share of tokens a feature is active on.
    """

    tokens: int
    explained_variance: float
    l0: float
    silent: float
    density: tuple[float, float, float]


@dataclass(frozen=True)
class CrossEntropy:
    """Mean nats a token over `tokens`: unedited, with the reconstruction, with zeros; recovered: see above."""

    tokens: int
    unedited: float
    reconstructed: float
    zeroed: float

    @property
    def recovered(self) -> float:
        return (self.zeroed - self.reconstructed) / (self.zeroed - self.unedited)


@torch.inference_mode()
def fidelity(sae: Sae, rows: np.ndarray) -> Fidelity:
    """Of an SAE on float16 rows [n, d_model]."""
    device = sae.output_bias.device
    mean = _mean(rows, device)
    error = total = torch.zeros((), dtype=torch.float64, device=device)
    fired = torch.zeros(len(sae.columns.bias), dtype=torch.float64, device=device)
    for x in _parts(rows, device):
        f = sae.encode(x)
        error = error + (x - sae.decode(f)).pow(2).sum(dtype=torch.float64)
        total = total + (x - mean).pow(2).sum(dtype=torch.float64)
        fired += (f > 0).sum(0)
    density = (fired / len(rows)).float()
    low, middle, high = (float(density.quantile(q)) for q in (0.1, 0.5, 0.9))
    return Fidelity(
        len(rows),
        1 - float(error / total),
        float(fired.sum()) / len(rows),
        float((fired == 0).double().mean()),
        (low, middle, high),
    )


@torch.inference_mode()
def random_dictionary(like: Sae, rows: np.ndarray, l0: float, seed: int = 0) -> Sae:
    """Random unit directions as encoder and decoder, as many as `like` has, with the one threshold that gives `l0`
    active features a token on `rows`, and decoder lengths that reconstruct best (one factor, least squares).
    """
    device, (n, d) = like.output_bias.device, like.columns.encoder.shape
    directions = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).to(device)
    directions = directions / directions.norm(dim=1, keepdim=True)
    mean = _mean(rows, device)
    some = torch.from_numpy(rows[: 2 * _ROWS].astype(np.float32)).to(device) - mean
    pre = some @ directions.T
    kept = max(1, int(l0 * len(some)))
    threshold = pre.flatten().topk(min(kept, pre.numel())).values[-1].clamp(min=0)
    f = pre * (pre > threshold)
    rough = f @ directions
    factor = (rough * some).sum() / rough.pow(2).sum().clamp(min=1e-12)
    columns = Columns(directions, directions * factor, torch.zeros(n, device=device), threshold.expand(n).clone())
    return Sae(columns, mean, True)


@torch.inference_mode()
def cross_entropies(
    model: Any, chats: Chats, layer: int, reconstructions: Sequence[Reconstruct | None], budget: int = 4096
) -> list[tuple[int, float]]:
    """(tokens, mean nats a token) of the conversations under each reconstruction of the residuals after `layer`.

    None is the unedited model. The prefix is left as it is; the first token after it is predicted from it, not counted.
    """
    prefix, found = PrefixPass(model, chats.prefix), []
    budget = min(budget, _LOGIT_BYTES // (8 * model.config.get_text_config().vocab_size))
    for reconstruct in reconstructions:
        total, counted = 0.0, 0
        hook = (
            None if reconstruct is None else decoder_layers(model)[layer].register_forward_hook(_replacing(reconstruct))
        )
        try:
            for batch in padded_batches(chats.rows, budget):
                ids, real = padded([chats.rows[i] for i in batch], model.device)
                logits = prefix.run(ids).logits
                kept = real[:, 1:]
                each = cross_entropy(logits[:, :-1][kept].float(), ids[:, 1:][kept], reduction="sum")
                total, counted = total + float(each), counted + int(kept.sum())
        finally:
            if hook is not None:
                hook.remove()
        found.append((counted, total / counted))
    return found


def _replacing(reconstruct: Reconstruct) -> Callable[..., Any]:
    def hook(module: Any, inputs: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        new = reconstruct(hidden.float().flatten(0, 1)).reshape(hidden.shape).to(hidden.dtype)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return hook


def make_card(sae: Sae, rows: np.ndarray, model: Any, chats: Chats, layer: int, budget: int = 4096) -> dict[str, Any]:
    """The quality card as JSON: the SAE's figures and, under “random”, those of the random dictionary."""
    found = fidelity(sae, rows)
    chance = random_dictionary(sae, rows, found.l0)
    by_chance = fidelity(chance, rows)

    def replaced(by: Sae) -> Reconstruct:
        return lambda x: by.decode(by.encode(x))

    (tokens, unedited), (_, ours), (_, random), (_, zeroed) = cross_entropies(
        model, chats, layer, [None, replaced(sae), replaced(chance), torch.zeros_like], budget
    )
    return {
        "layer": layer,
        "width": len(sae.columns.bias),
        **_figures(found, CrossEntropy(tokens, unedited, ours, zeroed)),
        "random": _figures(by_chance, CrossEntropy(tokens, unedited, random, zeroed)),
    }


def _figures(found: Fidelity, loss: CrossEntropy) -> dict[str, Any]:
    return {
        "tokens": found.tokens,
        "explained_variance": found.explained_variance,
        "l0": found.l0,
        "silent": found.silent,
        "density_10_50_90": list(found.density),
        "ce_tokens": loss.tokens,
        "ce_unedited": loss.unedited,
        "ce_reconstructed": loss.reconstructed,
        "ce_zeroed": loss.zeroed,
        "ce_recovered": loss.recovered,
    }


def _parts(rows: np.ndarray, device: torch.device) -> Any:
    for start in range(0, len(rows), _ROWS):
        yield torch.from_numpy(rows[start : start + _ROWS].astype(np.float32)).to(device)


def _mean(rows: np.ndarray, device: torch.device) -> torch.Tensor:
    total = torch.zeros(rows.shape[1], dtype=torch.float64, device=device)
    for x in _parts(rows, device):
        total += x.sum(0, dtype=torch.float64)
    return (total / len(rows)).float()
