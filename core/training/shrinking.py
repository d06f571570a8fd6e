"""What storing an SAE as int8 costs: the variance it explains before and after, on prompts.

Knows: an engine's residuals, SAE folders. Does not know: the storage itself (`core.saes.formats.int8`), commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from core.engine import Engine
from core.saes.formats.open import open_sae
from core.training.card import Sae, fidelity
from core.training.chats import fixed_prefix, request_ids

#: Prompts that are read.
_PROMPTS = 60


def prompt_rows(engine: Engine, prompts: Sequence[str], layers: Sequence[int]) -> dict[int, np.ndarray]:
    """layer → float32 [tokens, d_model]: residuals of requests, the template's fixed prefix left out."""
    prefix = len(fixed_prefix(engine.tokenizer))
    found: dict[int, list[np.ndarray]] = {layer: [] for layer in layers}
    for text in prompts[:: max(1, len(prompts) // _PROMPTS)]:
        for layer, x in engine.reader.unedited_residuals(request_ids(engine.tokenizer, text), layers).items():
            found[layer].append(x[prefix:].numpy())
    return {layer: np.concatenate(parts) for layer, parts in found.items()}


def explained_variance(folder: Path, rows: np.ndarray) -> float:
    """Of the SAELens or int8 SAE in a folder. Raises AssetError."""
    stored = open_sae("sae_lens", folder)
    return fidelity(
        Sae(stored.block(0, stored.d_sae), stored.output_bias, stored.subtracts_bias), rows
    ).explained_variance
