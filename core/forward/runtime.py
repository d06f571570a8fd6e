"""A loaded model with its SAEs on a device, and the one way to run a forward pass through it.

Knows: the model, its tokenizer, the lock. Does not know: what is measured or why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from core.edits.edits import Edits, Feature
from core.edits.validation import ModelShape, check_edits
from core.forward.device_lock import DEVICE_LOCK, DeviceLock
from core.forward.passes import Pass, Stopped, running
from core.forward.plan import Plan, make_plan
from core.models.digest import Digests
from core.models.spec import ModelSpec
from core.prompts.template import Prompt, Template, read_template
from core.saes.columns import Columns, Encoders
from core.saes.device_cache import Residency
from core.saes.dictionary import Dictionary

#: What transformers' configurations call the reach of local attention: Mistral and many; GPT-Neo; Llama 4's chunks;
#: ModernBERT's decoder; RecurrentGemma; others.
_WINDOWS = (
    "sliding_window",
    "window_size",
    "attention_chunk_size",
    "local_attention",
    "attention_window_size",
    "sliding_window_size",
)


@dataclass(frozen=True)
class Runtime:
    """What every measurement needs. `dictionaries`: layer → Dictionary, on disk. `residency`: what of them is held.

    device: where token ids go in and logits come out. devices: for each layer, where its hidden states are; they differ
    only where a model is spread over several devices.
    digests: of weights and SAEs as they were loaded: files on the disk may be others by now.
    alone: why prompts are run one by one, a sentence; empty where they are run together (`core.forward.consistency`).
    The lock protects the device: memory and compute of the model, of which there is one. It is held for one forward
    pass at a time, never while a caller holds a half-read generator, and background work gives way to people. Edits
    need no lock: they live in a ContextVar.
    """

    spec: ModelSpec
    model: Any
    tokenizer: Any
    template: Template
    dictionaries: Mapping[int, Dictionary]
    residency: Residency
    device: torch.device
    devices: tuple[torch.device, ...]
    dtype: torch.dtype
    n_layers: int
    d_model: int
    context_length: int
    stop_ids: frozenset[int]
    digests: Digests
    alone: str = ""
    lock: DeviceLock = field(default_factory=lambda: DEVICE_LOCK)

    @property
    def window(self) -> int | None:
        """How many tokens back a model's local layers look, the shortest where there are several; None where all layers
        see everything."""
        config = self.model.config.get_text_config()
        named = (getattr(config, name, None) for name in _WINDOWS)
        return min((size for size in named if isinstance(size, int) and size > 0), default=None)

    def room(self, prompt: Prompt) -> int:
        """How long an answer can be: the last token of it is never fed back, so there is always room for one."""
        return self.context_length - len(prompt) + 1

    def with_thinking(self, on: bool) -> Runtime:
        """The same model behind another reading of its chat template. Raises InputError."""
        return replace(self, template=read_template(self.tokenizer, self.spec.system, on))

    @property
    def shape(self) -> ModelShape:
        """What an edit can refer to."""
        return ModelShape({layer: d.d_sae for layer, d in self.dictionaries.items()}, self.d_model, self.n_layers)

    def check(self, edits: Sequence[Edits], watch: Sequence[Feature] = ()) -> None:
        """Raises InputError where `plan` would; reads nothing and holds nothing."""
        check_edits(edits, watch, self.shape)

    def plan(self, edits: Sequence[Edits], watch: Sequence[Feature] = ()) -> Plan:
        """Compile edit sets against this model. Raises InputError."""
        return make_plan(
            edits, watch, self.dictionaries, self.d_model, self.n_layers, self.device, self.device_of, self.columns
        )

    def device_of(self, layer: int) -> torch.device:
        """Where the hidden states that leave a layer are, and so where its columns and tables must be."""
        return self.devices[layer]

    def columns(self, dictionary: Dictionary, indices: tuple[int, ...]) -> Columns:
        """The named columns on their layer's device, held from before or read from the memory map."""
        return self.residency.columns(dictionary, indices, self.device_of(dictionary.layer))

    def blocks(self, layer: int, size: int | None = None) -> Iterator[tuple[int, Columns]]:
        """A layer's whole dictionary on its device, a block at a time: (first index, Columns)."""
        return self.residency.blocks(self.dictionaries[layer], self.device_of(layer), size)

    def encoders(self, layer: int) -> Iterator[tuple[int, Encoders]]:
        """As `blocks`, the reading half alone."""
        return self.residency.encoders(self.dictionaries[layer], self.device_of(layer))

    def decoders(self, layer: int) -> Iterator[tuple[int, torch.Tensor]]:
        """As `blocks`, the decoder rows alone."""
        return self.residency.decoders(self.dictionaries[layer], self.device_of(layer))

    def input_bias(self, layer: int) -> torch.Tensor | None:
        """What the layer's SAE subtracts from what it reads, on the layer's device; None where it subtracts nothing."""
        bias = self.dictionaries[layer].input_bias
        return None if bias is None else bias.to(self.device_of(layer))

    def groups(self, plan: Plan, prompts: Sequence[Prompt], start: int, width: int) -> torch.Tensor:
        """int64 [prompts, width]: position groups of the tokens from `start` on, right-padded."""
        rows = torch.zeros(len(prompts), width, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            found = plan.group_of(prompt.position_bits[start : start + width])
            rows[row, : len(found)] = found
        return rows.to(self.device)

    def ids(self, prompts: Sequence[Prompt], start: int, width: int) -> torch.Tensor:
        """int64 [prompts, width]: token ids from `start` on, right-padded (causal attention never looks right)."""
        rows = torch.zeros(len(prompts), width, dtype=torch.int64)
        for row, prompt in enumerate(prompts):
            found = prompt.ids[start : start + width]
            rows[row, : len(found)] = torch.tensor(found)
        return rows.to(self.device)

    @torch.inference_mode()
    def forward(
        self,
        current: Pass,
        ids: torch.Tensor,
        past: Any = None,
        use_cache: bool = False,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
    ) -> Any:
        """One forward pass under `current`. ids [rows, width]. Returns transformers' output, logits [rows, 1, words].

        A decorator and not a `with`: inference mode must end with the call, not with a generator that yields inside it.
        """
        if position_ids is None:
            seen = past.get_seq_length() if past is not None else 0
            position_ids = torch.arange(seen, seen + ids.shape[1], device=ids.device)[None]
        with self.lock, running(current):
            return self.model(
                input_ids=ids,
                past_key_values=past,
                use_cache=use_cache,
                attention_mask=attention_mask,
                position_ids=position_ids,
            )

    def read(self, current: Pass, ids: torch.Tensor) -> None:
        """Run only as far as `current.request.stop_after`, for what the pass finds on the way."""
        assert current.request.stop_after is not None
        with suppress(Stopped):
            self.forward(current, ids)
