"""How good an SAE is, on conversations nothing was trained on: the quality card.

Knows: recordings held out, SAEs in normal form, a plain transformers model. Does not know: how an SAE was trained. The
fixed prefix is left out everywhere, as in training. Beside every SAE stands a dictionary of random directions of the
same width, brought to the same number of active features: what is gained over chance.

Intervals (95%) are over conversations, as `core.statistics.ratio` draws them; that of the silent features is over
features.

    explained variance = 1 − Σ‖x − x̂‖² / Σ‖x − mean(x)‖²
    cross-entropy recovered = (CE(zero) − CE(x̂)) / (CE(zero) − CE(x)), x̂ or zero in place of the residuals
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from core import statistics
from core.models.architecture import decoder_layers
from core.saes.columns import Columns, activations
from core.training.chats import Chats
from core.training.record import PrefixPass, padded, padded_batches, recorded_order

_ROWS = 4096
#: Tokens of the conversations that cross-entropies are taken on; each needs the whole vocabulary's logits.
CE_TOKENS = 20_000
#: Of the logits of one pass, as the model gives them and in float32.
_LOGIT_BYTES = 600_000_000
Interval = tuple[float, float]
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
    0.1, 0.5, 0.9 of the share of tokens a feature is active on. intervals: of the first three by name, NaN at both ends
    where there are no conversations to draw.
    """

    tokens: int
    explained_variance: float
    l0: float
    silent: float
    density: tuple[float, float, float]
    intervals: Mapping[str, Interval] = field(default_factory=dict)


@torch.inference_mode()
def fidelity(sae: Sae, rows: np.ndarray, lengths: Sequence[int] | None = None) -> Fidelity:
    """Of an SAE on float16 rows [n, d_model]. lengths: of the conversations that they are, one behind the other."""
    device = sae.output_bias.device
    mean = _mean(rows, device)
    fired = torch.zeros(len(sae.columns.bias), dtype=torch.float64, device=device)
    parts: list[np.ndarray] = []
    for x in _parts(rows, device):
        f = sae.encode(x)
        error, total = ((y.double() ** 2).sum(1) for y in (x - sae.decode(f), x - mean))
        parts.append(torch.stack([error, total, (f > 0).sum(1).double()]).cpu().numpy())
        fired += (f > 0).sum(0)
    sums = np.concatenate(parts, axis=1)  # float64 [error, total, active; rows]
    begins = np.cumsum([0, *(lengths or [])])[:-1] if lengths else np.array([0])
    error, total, active = np.add.reduceat(sums, begins, axis=1)
    unexplained = statistics.ratio(error, total)
    l0 = statistics.ratio(active, np.diff([*begins, len(rows)]))
    silent = statistics.rate(int((fired == 0).sum()), len(fired))
    density = (fired / len(rows)).float()
    low, middle, high = (float(density.quantile(q)) for q in (0.1, 0.5, 0.9))
    return Fidelity(
        len(rows),
        1 - unexplained.value,
        l0.value,
        silent.rate,
        (low, middle, high),
        {
            "explained_variance": (1 - unexplained.high, 1 - unexplained.low),
            "l0": (l0.low, l0.high),
            "silent": (silent.low, silent.high),
        },
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
def losses(
    model: Any, chats: Chats, layer: int, reconstructions: Sequence[Reconstruct | None], budget: int = 4096
) -> np.ndarray:
    """float64 [reconstructions, conversations]: nats of each, under each reconstruction of the residuals after `layer`.

    None is the unedited model. The prefix is left as it is; the first token after it is predicted from it, not counted.
    """
    prefix, found = PrefixPass(model, chats.prefix), np.zeros((len(reconstructions), len(chats.rows)))
    budget = min(budget, _LOGIT_BYTES // (8 * model.config.get_text_config().vocab_size))
    for number, reconstruct in enumerate(reconstructions):
        hook = (
            None if reconstruct is None else decoder_layers(model)[layer].register_forward_hook(_replacing(reconstruct))
        )
        try:
            for batch in padded_batches(chats.rows, budget):
                ids, real = padded([chats.rows[i] for i in batch], model.device)
                logits = prefix.run(ids).logits[:, :-1]
                each = cross_entropy(logits.transpose(1, 2).float(), ids[:, 1:], reduction="none")
                found[number, batch] = (each.double() * real[:, 1:]).sum(1).cpu().numpy()
        finally:
            if hook is not None:
                hook.remove()
    return found


def counted_tokens(chats: Chats) -> int:
    """Tokens that `losses` counts: all but the first of each conversation."""
    return chats.tokens - len(chats.rows)


def _replacing(reconstruct: Reconstruct) -> Callable[..., Any]:
    def hook(module: Any, inputs: Any, output: Any) -> Any:
        hidden = output[0] if isinstance(output, tuple) else output
        new = reconstruct(hidden.float().flatten(0, 1)).reshape(hidden.shape).to(hidden.dtype)
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return hook


def make_card(sae: Sae, rows: np.ndarray, model: Any, chats: Chats, layer: int, budget: int = 4096) -> dict[str, Any]:
    """The quality card as JSON: the SAE's figures and, under “random”, those of the random dictionary.

    rows: these conversations' residuals, recorded with this budget. Cross-entropies are of the first conversations.
    """
    lengths = [len(chats.rows[i]) for i in recorded_order(chats.rows, budget)]
    few = _first(chats, CE_TOKENS)
    found = fidelity(sae, rows, lengths)
    chance = random_dictionary(sae, rows, found.l0)
    by_chance = fidelity(chance, rows, lengths)

    def replaced(by: Sae) -> Reconstruct:
        return lambda x: by.decode(by.encode(x))

    unedited, ours, random, zeroed = losses(
        model, few, layer, [None, replaced(sae), replaced(chance), torch.zeros_like], budget
    )
    counted = counted_tokens(few)
    return {
        "layer": layer,
        "width": len(sae.columns.bias),
        "conversations": len(lengths),
        **figures(found, unedited, ours, zeroed, counted),
        "random": figures(by_chance, unedited, random, zeroed, counted),
    }


def _first(chats: Chats, tokens: int) -> Chats:
    """The first conversations, up to so many tokens, at least one."""
    kept: list[tuple[int, ...]] = []
    for row in chats.rows:
        if kept and sum(map(len, kept)) + len(row) > tokens:
            break
        kept.append(row)
    return Chats(chats.prefix, kept)


def figures(
    found: Fidelity, unedited: np.ndarray, replaced: np.ndarray, zeroed: np.ndarray, counted: int
) -> dict[str, Any]:
    """Losses: float64 [conversations], nats."""
    recovered = statistics.ratio_of_totals(zeroed - replaced, zeroed - unedited)
    intervals = {**found.intervals, "ce_recovered": (recovered.low, recovered.high)}
    return {
        "tokens": found.tokens,
        "explained_variance": found.explained_variance,
        "l0": found.l0,
        "silent": found.silent,
        "density_10_50_90": list(found.density),
        "ce_tokens": counted,
        "ce_unedited": float(unedited.sum() / counted),
        "ce_reconstructed": float(replaced.sum() / counted),
        "ce_zeroed": float(zeroed.sum() / counted),
        "ce_recovered": float((zeroed - replaced).sum() / (zeroed - unedited).sum()),
        "intervals": {name: list(ends) for name, ends in intervals.items() if np.isfinite(ends).all()},
    }


def _parts(rows: np.ndarray, device: torch.device) -> Any:
    for start in range(0, len(rows), _ROWS):
        yield torch.from_numpy(rows[start : start + _ROWS].astype(np.float32)).to(device)


def _mean(rows: np.ndarray, device: torch.device) -> torch.Tensor:
    total = torch.zeros(rows.shape[1], dtype=torch.float64, device=device)
    for x in _parts(rows, device):
        total += x.sum(0, dtype=torch.float64)
    return (total / len(rows)).float()
