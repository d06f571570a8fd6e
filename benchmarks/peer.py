"""The peer: SAELens's own bridge with error-term SAEs and hooks that zero features. Knows nothing of our engine."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from sae_lens import SAE
from sae_lens.analysis.sae_transformer_bridge import SAETransformerBridge

from core import Edits
from core.saes.formats.int8 import to_sae_lens


def opened(path: Path, device: str, dtype: str) -> SAE:
    """An SAE as SAELens opens it. What is stored as int8, which SAELens cannot read, is written out for it before."""
    if "storage" not in json.loads((path / "cfg.json").read_text()):
        return SAE.load_from_disk(str(path), device=device, dtype=dtype)
    with tempfile.TemporaryDirectory() as folder:
        to_sae_lens(path, Path(folder) / "sae")
        return SAE.load_from_disk(f"{folder}/sae", device=device, dtype=dtype)


class Peer:
    """A folder's model behind SAELens. `run` is one edit set a forward; `run_rows` zeroes each row's own features."""

    def __init__(self, folder: Path, saes: Mapping[int, Path], dtype: torch.dtype, device: torch.device) -> None:
        self.model = SAETransformerBridge.boot_transformers(str(folder), dtype=dtype, device=str(device))
        self.saes = []
        for layer, path in sorted(saes.items()):
            sae = opened(path, str(device), str(dtype).removeprefix("torch."))
            sae.cfg.metadata.hook_name = f"blocks.{layer}.hook_resid_post"
            sae.use_error_term = True
            self.saes.append((layer, sae))

    @torch.inference_mode()
    def run(self, ids: torch.Tensor, edits: Edits) -> torch.Tensor:
        """Logits [1, positions, vocabulary] with the set's features zeroed everywhere, error term kept."""
        return self.run_rows(ids, [edits])

    @torch.inference_mode()
    def run_rows(self, ids: torch.Tensor, edits: Sequence[Edits]) -> torch.Tensor:
        hooks = []
        for layer, sae in self.saes:
            keep = torch.ones(len(edits), 1, sae.cfg.d_sae, dtype=sae.W_dec.dtype, device=sae.W_dec.device)
            for row, one in enumerate(edits):
                here = one.arrays.layer == layer
                keep[row, 0, torch.from_numpy(one.arrays.index[here])] = 0
            name = self.model.get_sae_hook_name(sae)  # not the alias: a hook on an unknown name never runs, silently
            hooks.append((name, lambda acts, hook, keep=keep: acts * keep))
        return self.model.run_with_hooks_with_saes(
            ids.expand(len(edits), -1), saes=[sae for _, sae in self.saes], fwd_hooks=hooks
        )
