"""What every part of every layer, and every edit, writes into the residual stream at the last prompt token.

Knows: passes of one prompt under several edit sets, and parts held in some of them. Does not know: logits' meaning.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from core.edits.edits import Edits
from core.errors import InputError
from core.forward.batches import Batch, run
from core.forward.passes import HeldPart, Part, PassRequest
from core.forward.plan import Plan
from core.forward.runtime import Runtime
from core.measures.scores import float64
from core.models.architecture import decoder_layers, layer_parts
from core.prompts.template import Prompt

#: The parts of a layer, in the order in which most architectures run them.
PARTS = ("attention", "mlp")
#: The parts must add up to what their block writes to so many units in the last place of the residual stream.
ROUNDING = 8


@dataclass(frozen=True, eq=False)
class LastToken:
    """E edit sets on one prompt at its last token; L layers. Lives for one call. float32 on the CPU where not said.

    parts: “attention” and “mlp” → [E, L, d_model], what each adds to the residual stream; empty where the two do not
    add up to what their block writes. written: (layer, part) → [d_model], the same of the first set, for holding; of
    every part there is. entering: [E, 2, d_model], the first block's input before and after a direction
    is projected out. before, edited, after: [E, L, d_model], resid_post before the layer's edit, under it, and after a
    direction is projected out. unit: [E, d_model], the direction that a set ablates, zeros for none. strength: float64
    [E], how much of it is taken out at this token each time. projected: whether it is also taken out of what a part
    adds (not where a norm stands behind the part). logp: float64 [E, words].
    """

    parts: Mapping[str, torch.Tensor]
    written: Mapping[Part, torch.Tensor]
    entering: torch.Tensor
    before: torch.Tensor
    edited: torch.Tensor
    after: torch.Tensor
    unit: torch.Tensor
    strength: np.ndarray
    projected: bool
    logp: torch.Tensor

    @property
    def blocks(self) -> torch.Tensor:
        """[E, L, d_model]: what each block writes, both parts together."""
        return self.before - torch.cat([self.entering[:, 1:], self.after[:, :-1]], dim=1)

    def probability(self, tokens: Sequence[int]) -> np.ndarray:
        """float64 [E]: summed probability of `tokens`."""
        return self.logp[:, list(tokens)].exp().sum(-1).numpy()


def read_last_token(
    runtime: Runtime,
    prompt: Prompt,
    sets: Sequence[Edits],
    held: Mapping[Part, tuple[Sequence[int], torch.Tensor]] | None = None,
) -> LastToken:
    """Every set in one forward, or as few as the token budget allows. Raises InputError.

    held: (layer, “attention” or “mlp”) → the numbers of the sets in which that part is held, and what it is made to add
    at the last token, [d_model]. Below the lowest edit of all sets nothing has changed, so nothing is held there.
    """
    plan = runtime.plan(sets)
    request = PassRequest(writes=True, held={p: _held(len(sets), *how) for p, how in (held or {}).items()})
    found, first = [], dict[Part, torch.Tensor]()
    for batch in run(runtime, plan, [prompt], request):
        first = first or {key: one[0].cpu() for key, one in batch.current.written.items() if key[1] in PARTS}
        found.append(_found(batch, runtime.n_layers))
    whole = {name: torch.cat([one[name] for one in found]) for name in found[0]}
    unit, strength = _ablated(plan, prompt, len(sets), runtime.d_model)
    layers = [layer_parts(layer) for layer in decoder_layers(runtime.model)]
    made = LastToken(
        {name: whole[name] for name in PARTS if name in whole},
        first,
        whole["entering"],
        whole["before"],
        whole["edited"],
        whole["after"],
        unit,
        strength,
        all(part.adds is part.module for parts in layers for part in parts.values()),
        whole["logp"],
    )
    return made if _adds_up(made, runtime.dtype) else replace(made, parts={})


def checked_parts(runtime: Runtime, parts: Sequence[Part]) -> list[Part]:
    """The parts, each once. Raises InputError for one that the model does not have."""
    layers = decoder_layers(runtime.model)
    known = {(index, name) for index, layer in enumerate(layers) for name in layer_parts(layer)}
    found = list(dict.fromkeys((int(layer), str(name)) for layer, name in parts))
    for one in found:
        if one not in known:
            raise InputError(
                f"Layer {one[0]} of “{runtime.spec.name}” has no part “{one[1]:.40}”. Give a layer from 0 to "
                f"{len(layers) - 1}, and “attention” or “mlp”."
            )
    return found


def _held(sets: int, rows: Sequence[int], value: torch.Tensor) -> HeldPart:
    chosen = torch.zeros(sets, dtype=torch.bool)
    chosen[list(rows)] = True
    return HeldPart(chosen, value.float())


def _found(batch: Batch, n_layers: int) -> dict[str, torch.Tensor]:
    """[rows, layers, d_model] of everything written, each edit set with a row of its own; and logp."""
    rows, written = len(batch.edits), batch.current.written

    def stacked(keys: Sequence[Part]) -> torch.Tensor:
        return torch.stack([written[key].cpu().expand(rows, -1) for key in keys], dim=1)

    every = range(n_layers)
    found = {name: stacked([(layer, name) for layer in every]) for name in ("before", "edited", "after")}
    if all((layer, name) in written for layer in every for name in PARTS):
        found |= {name: stacked([(layer, name) for layer in every]) for name in PARTS}
    found["entering"] = stacked([(-1, "before"), (-1, "after")])
    return found | {"logp": float64(batch.logits).log_softmax(-1).cpu()}


def _ablated(plan: Plan, prompt: Prompt, sets: int, d_model: int) -> tuple[torch.Tensor, np.ndarray]:
    """unit and strength at the last token, as in `LastToken`."""
    for found in plan.ablations.values():
        group = int(plan.group_of(prompt.position_bits[-1:])[0])
        return found.unit.cpu(), found.strength[:, group].double().cpu().numpy()
    return torch.zeros(sets, d_model), np.zeros(sets)


def _adds_up(found: LastToken, dtype: torch.dtype) -> bool:
    if not found.parts:
        return False
    off = (sum(found.parts.values()) - found.blocks).norm(dim=-1)
    sizes = (*found.parts.values(), found.before)
    size = torch.stack([one.norm(dim=-1) for one in sizes]).amax(0)
    return bool((off <= ROUNDING * torch.finfo(dtype).eps * size + 1e-6).all())
