"""The mean-centred logit of some tokens as a linear read-out of the final residual stream.

Knows: the final norm and the head of a model. Does not know: edits, prompts, which tokens mean a refusal.

The logit is taken of the normalised residual stream, before whatever a model does to its logits afterwards (Gemma 2's
soft cap, a fixed scale). A norm here is y = w·c(h)/s(h) + b: c subtracts the mean or does nothing, s is the root mean
square. Which kind a model has is found by asking the norm itself. With s fixed, the logit is linear in h, so every
vector that is added to the residual stream has a share of it: direct logit attribution with a frozen norm (Elhage et
al. 2021; McGrath et al. 2023, section 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import torch

from core.errors import InputError
from core.forward.runtime import Runtime
from core.models.architecture import final_norm

#: The read-out must give the norm's own output to this share, or the model's norm is of another kind.
TOLERANCE = 0.02
#: The mean row of a head over all tokens, a constant of the model that takes a second on a large one; held weakly.
_MEAN_ROWS: WeakKeyDictionary[torch.nn.Module, torch.Tensor] = WeakKeyDictionary()
#: So large that a norm's small constant, which keeps it from dividing by 0, does not count.
_LARGE = 1024.0


@dataclass(frozen=True, eq=False)
class TokenLogit:
    """What to multiply a normalised residual stream by. All float64.

    head: [d_model], the tokens' mean row of the head less the mean row of all tokens. constant: the same of its bias
    and of the norm's. weight: [d_model], of the norm. centred: whether the norm subtracts the mean. small: what it adds
    to the mean square.
    """

    head: np.ndarray
    constant: float
    weight: np.ndarray
    centred: bool
    small: float

    def value(self, h: np.ndarray) -> np.ndarray:
        """float64 [rows]: the mean-centred logit of each residual stream h [rows, d_model], in logits."""
        return (self.normalised(h) * self.weight) @ self.head + self.constant

    def frozen(self, h: np.ndarray) -> np.ndarray:
        """float64 [d_model]: the share of the logit that a vector added to h [d_model] has with the scale of h kept."""
        found = self.head * self.weight / self._scale(h)
        return found - found.mean() if self.centred else found

    def normalised(self, h: np.ndarray) -> np.ndarray:
        """float64, like h [..., d_model]: centred where the norm centres, and divided by its scale."""
        return self._centre(h) / self._scale(h)[..., None]

    def _centre(self, h: np.ndarray) -> np.ndarray:
        h = np.asarray(h, dtype=np.float64)
        return h - h.mean(-1, keepdims=True) if self.centred else h

    def _scale(self, h: np.ndarray) -> np.ndarray:
        return np.sqrt((self._centre(h) ** 2).mean(-1) + self.small)


@torch.inference_mode()
def token_logit(runtime: Runtime, tokens: Sequence[int]) -> TokenLogit:
    """The read-out of the mean logit of `tokens` less the mean logit over the vocabulary.

    Raises InputError: no token, one outside the vocabulary, a final norm of another kind. Raises AssetError where the
    model has no final norm in the usual place.
    """
    head, norm = runtime.model.get_output_embeddings(), final_norm(runtime.model)
    chosen = list(tokens)
    if not chosen or not all(0 <= token < len(head.weight) for token in chosen):
        raise InputError(f"The tokens {chosen!s:.60} are no tokens of this model. Give at least one token id.")
    if head.weight.is_meta:
        raise InputError("The model's head lies on disk, where it cannot be read. Load the model on one device.")
    if head not in _MEAN_ROWS:
        _MEAN_ROWS[head] = head.weight.mean(0, dtype=torch.float32)
    row = (head.weight[chosen].float().mean(0) - _MEAN_ROWS[head]).double().cpu().numpy()
    bias = 0.0 if head.bias is None else float(head.bias[chosen].float().mean() - head.bias.float().mean())
    weight, shift, centred = _norm(norm, runtime)
    small = float(getattr(norm, "variance_epsilon", getattr(norm, "eps", None)) or 1e-6)
    found = TokenLogit(row, bias + float(shift @ row), weight, centred, small)
    probe = torch.randn(runtime.d_model, generator=torch.Generator().manual_seed(0))
    expected, ours = _asked(norm, runtime, probe), found.normalised(probe.double().numpy()) * weight + shift
    if np.linalg.norm(ours - expected) > TOLERANCE * np.linalg.norm(expected):
        raise InputError(
            f"The final norm of “{runtime.spec.name}” ({type(norm).__name__}) is neither an RMS norm nor a layer norm, "
            "so logits cannot be attributed. Use another model."
        )
    return found


def _norm(norm: torch.nn.Module, runtime: Runtime) -> tuple[np.ndarray, np.ndarray, bool]:
    """weight, bias and whether it centres, from what the norm makes of a few vectors."""
    signs = torch.ones(runtime.d_model)
    signs[1::2] = -1.0  # mean 0, root mean square 1
    shift = _asked(norm, runtime, torch.zeros(runtime.d_model))
    weight = (_asked(norm, runtime, _LARGE * signs) - shift) * signs.double().numpy()
    level = _asked(norm, runtime, torch.full((runtime.d_model,), _LARGE)) - shift
    return weight, shift, bool(np.linalg.norm(level) < 0.5 * np.linalg.norm(weight))


def _asked(norm: torch.nn.Module, runtime: Runtime, h: torch.Tensor) -> np.ndarray:
    """float64 [d_model]: the norm's own output for h [d_model]."""
    place = next(norm.parameters(), torch.empty(0, dtype=runtime.dtype, device=runtime.device))
    return norm(h.to(place)[None, None])[0, 0].double().cpu().numpy()
