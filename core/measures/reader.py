"""What other packages of `core` read of a loaded model beyond the numbers of `Engine`: tensors, block by block.

Knows: which measure answers. Does not know: what the tensors are read for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
import torch

from core.edits.direction import Direction
from core.edits.edits import Edits, Feature
from core.forward.passes import Part
from core.forward.runtime import Runtime
from core.measures import features, last_token, reading
from core.measures.last_token import LastToken
from core.measures.reading import PromptReading
from core.measures.strongest import Strongest, strongest, suppressed
from core.measures.token_logit import TokenLogit, token_logit
from core.prompts.template import Prompt, only_first_token


class Reader:
    """Made by `Engine.reader`. Every call raises InputError for what the model does not have."""

    def __init__(self, runtime: Runtime, direction: Direction | None) -> None:
        self._runtime, self._direction = runtime, direction

    @property
    def sae_names(self) -> dict[int, str]:
        """layer → what its SAE is called."""
        return {layer: found.name for layer, found in self._runtime.dictionaries.items()}

    def prompt(self, prompt: Prompt, edits: Sequence[Edits], watch: Sequence[Feature] = ()) -> PromptReading:
        """One prompt's residual stream under every edit set, at the SAE layers that the edits reach."""
        return reading.read_prompt(self._runtime, prompt, edits, watch)

    def bos(
        self, prompt: Prompt, edits: Sequence[Edits], watch: Sequence[Feature] = (), *, every_layer: bool = False
    ) -> PromptReading:
        """The same of the first token of any prompt. every_layer: at the SAE layers that the edits do not reach too."""
        bos = only_first_token(prompt)
        return reading.read_bos(self._runtime, bos, edits, watch, every_layer=every_layer)

    def last_token(
        self,
        prompt: Prompt,
        edits: Sequence[Edits],
        held: Mapping[Part, tuple[Sequence[int], torch.Tensor]] | None = None,
    ) -> LastToken:
        """What every part and edit writes at a prompt's last token, and parts held there: see `LastToken`."""
        return last_token.read_last_token(self._runtime, prompt, edits, held)

    def checked_parts(self, parts: Sequence[Part]) -> list[Part]:
        """Parts of layers, (layer, “attention” or “mlp”), each once. Raises InputError for one that does not exist."""
        return last_token.checked_parts(self._runtime, parts)

    def token_logit(self, tokens: Sequence[int]) -> TokenLogit:
        """The mean-centred logit of some tokens as a read-out of the final residual stream."""
        return token_logit(self._runtime, tokens)

    def preactivations(self, layer: int, x: torch.Tensor) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
        """A layer's whole SAE over residuals x, block by block; see `core.measures.reading.preactivation_blocks`."""
        return reading.preactivation_blocks(self._runtime, layer, x)

    def cosines(self, layers: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """float32 [n]: of the decoder rows of these features with the refusal direction; NaN while there is none."""
        return features.cosines(self._runtime, self._direction, layers, indices)

    def decoders(self, layer: int, indices: np.ndarray) -> np.ndarray:
        """float32 [n, d_model]: the decoder rows of these features of a layer."""
        return self._runtime.dictionaries[layer].decoders(indices).float().cpu().numpy()

    def suppressed(self, layer: int, indices: np.ndarray) -> list[list[int]]:
        """For each of these features the token ids whose logits its decoder row lowers most."""
        return suppressed(self._runtime, layer, indices)

    def unedited_residuals(self, tokens: Sequence[int], layers: Collection[int]) -> dict[int, torch.Tensor]:
        """layer → float32 [tokens, d_model] on the CPU: resid_post of the unedited model over plain token ids."""
        return features.unedited_residuals(self._runtime, tokens, layers)

    def strongest(self, layer: int, x: torch.Tensor, most: int, size: int) -> Iterator[Strongest]:
        """Where each feature of a layer fires most over residuals x [rows, d_model], and the tokens it promotes."""
        return strongest(self._runtime, layer, x, most, size)
