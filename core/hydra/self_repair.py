"""Self-repair: what later blocks put back of a logit that an edit lowers (McGrath et al. 2023, “The Hydra Effect”).

Knows: what parts and edits write at the last prompt token, and the logit as a read-out of it. Does not know: controls
(`repair_controls.py`), many prompts (`repair_summary.py`), parts that are held (`held_parts.py`).

With the unedited run's scale of the final norm kept, the logit is linear in the residual stream, so the edited run less
the unedited one falls apart exactly into what the edit writes and what each block writes differently:

    total = direct + Σ responses (attention and MLP of every block) + normalisation

The **direct effect** is the change with every part held at what it wrote unedited: what the edit itself writes. A
**response** is the change in what a part writes. **Normalisation** is what the final norm's own scale then does to it.
For an ablated direction the removal from what the parts wrote unedited belongs to the direct effect, and a response is
the rest. Where features of several layers are edited, what the edit writes is taken as in the edited run, so there the
later layers' share of the direct effect has already seen the blocks between respond.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core.arguments import listed
from core.edits.edits import Edits, FeatureEdit
from core.engine import Engine
from core.errors import InputError
from core.hydra.wakening import BeforeAfter
from core.measures.last_token import PARTS, LastToken
from core.measures.scores import refusal_score
from core.prompts.conversation import PromptLike

#: A share put back is defined where the logit falls by more than this, in logits; below it would be a share of noise.
LEAST_FALL = 0.1
COLUMNS = ["layer", "edit", *PARTS, "response", "cumulative"]


@dataclass(frozen=True, eq=False)
class SelfRepair:
    """One edit set on one prompt, at its last token. Logits are mean-centred, and changes are edited less unedited.

    blocks: one row per layer: layer, edit (what the edit itself writes there), attention, mlp, response (of the block,
    both parts), cumulative (S: direct effect and the responses up to this block), all in logits at the unedited scale.
    attention and mlp are NaN where the parts do not add up to the block (`split` is False then).
    direct, total, normalisation: logits; total = direct + the responses + normalisation. lowest: the lowest edited
    layer, −1 for an ablated direction, the number of layers for no edit; only blocks above it can respond.
    deepest: the lowest value of S from the direct effect alone on. deepest_layer: where S reaches it; `lowest` where no
    block brings it below the direct effect. end: S after the last block. put_back: (end − deepest) / (−deepest), above
    1 where the end is above 0, NaN unless deepest is below −`LEAST_FALL`. As the lowest point of a noisy curve is
    chosen, it is never below 0, so it means something beside a control only.
    p, score: probability of the tokens and its log-odds. tokens: the token ids that logit and p are of.
    """

    edits: Edits
    blocks: pd.DataFrame
    direct: float
    total: float
    normalisation: float
    lowest: int
    deepest: float
    deepest_layer: int
    end: float
    put_back: float
    p: BeforeAfter
    score: BeforeAfter
    split: bool
    tokens: tuple[int, ...]

    def restoring(self, most: int) -> list[tuple[int, str]]:
        """The `most` parts above the edit that raise the logit most, largest first: (layer, “attention” or “mlp”).

        By their direct effect on the logit; a part that works through later parts is not seen. Empty without a split.
        """
        above = self.blocks[self.blocks["layer"] > self.lowest]
        long = above.melt("layer", list(PARTS), "part", "raises")
        kept = long[long["raises"] > 0].sort_values("raises", ascending=False, kind="stable").head(most)
        return [(int(layer), str(part)) for layer, part in zip(kept["layer"], kept["part"], strict=True)]


def self_repair(
    engine: Engine, prompt: PromptLike, sets: Sequence[Edits], tokens: Sequence[int] | None = None
) -> list[SelfRepair]:
    """Each edit set on one prompt, all in one batch with the unedited run. Raises InputError, AssetError.

    tokens: ids of the tokens whose mean logit is looked at; the model's refusal tokens when None.
    """
    wanted = listed(sets, "Edit sets")
    if not wanted:
        raise InputError("No edit set was given. Give at least one.")
    chosen = tuple(engine.spec.refusal_tokens if tokens is None else tokens)
    logit = engine.reader.token_logit(chosen)
    found = engine.reader.last_token(engine.prompt(prompt), [Edits(), *wanted])
    final = found.after[:, -1].double().numpy()
    value, p = logit.value(final), found.probability(chosen)
    score, toward = refusal_score(p), logit.frozen(final[0])
    repairs = []
    for row, edits in enumerate(wanted, start=1):
        lowest = lowest_layer(edits, engine.n_layers)
        blocks, direct = _blocks(found, row, toward)
        deepest, deepest_layer = _deepest(blocks["cumulative"].to_numpy(), direct, lowest)
        end, total = float(blocks["cumulative"].iloc[-1]), float(value[row] - value[0])
        repairs.append(
            SelfRepair(
                edits,
                blocks,
                direct,
                total,
                total - end,
                lowest,
                deepest,
                deepest_layer,
                end,
                (end - deepest) / -deepest if deepest < -LEAST_FALL else float("nan"),
                BeforeAfter(float(p[0]), float(p[row])),
                BeforeAfter(float(score[0]), float(score[row])),
                bool(found.parts),
                chosen,
            )
        )
    return repairs


def lowest_layer(edits: Edits, n_layers: int) -> int:
    """The lowest layer at whose output `edits` act: −1 for an ablated direction, `n_layers` for no edit."""
    features = [item.feature.layer for item in edits if isinstance(item, FeatureEdit)]
    directions = [-1 if item.add is None else item.direction.layer for item in edits.directions]
    return min([*features, *directions], default=n_layers)


def frozen_change(found: LastToken, toward: np.ndarray) -> np.ndarray:
    """float64 [E]: each set's final residual stream less the first one's, read by `toward` [d_model]."""
    final = found.after[:, -1].double().numpy()
    return (final - final[0]) @ toward


def _blocks(found: LastToken, row: int, toward: np.ndarray) -> tuple[pd.DataFrame, float]:
    """The table of one set, and its direct effect.

    A direction r that is ablated at strength s turns the stream h into M·h, M = I − s·r·rᵀ, at the first block's input
    and at every block's output. So what is written at layer l of L reaches the end as M^(L−l) of itself. M^k is
    I − (1 − (1 − s)^k)·r·rᵀ.
    """
    layers = found.before.shape[1]
    unit, strength = found.unit[row].double().numpy(), float(found.strength[row])

    def reach(x: torch.Tensor, times: np.ndarray) -> np.ndarray:
        """float64 [n]: what vectors x [n, d_model] give to the logit when M was applied `times` [n] to each."""
        vectors = x.double().numpy()
        return vectors @ toward - (1 - (1 - strength) ** times) * (vectors @ unit) * (toward @ unit)

    left = layers - np.arange(layers)
    writes = found.parts or {"response": found.blocks}
    once = left + (1 if found.projected and found.parts else 0)  # a part's own output is projected too
    edit = reach(found.edited[row] - found.before[row], left)
    changes = {}
    for name, written in writes.items():
        held = reach(written[0], once)
        edit += held - written[0].double().numpy() @ toward
        changes[name] = reach(written[row], left) - held
    first = found.entering[:1, 0]
    edit[0] += float((reach(first, np.array([layers + 1])) - first.double().numpy() @ toward)[0])
    direct = float(edit.sum())
    frame = pd.DataFrame({"layer": np.arange(layers), "edit": edit})
    for name in PARTS:
        frame[name] = changes.get(name, np.full(layers, np.nan))
    frame["response"] = sum(changes.values())
    frame["cumulative"] = direct + np.cumsum(frame["response"])
    return frame[COLUMNS], direct


def _deepest(cumulative: np.ndarray, direct: float, lowest: int) -> tuple[float, int]:
    """The lowest point of direct effect and blocks above the edit, and the layer it is reached at."""
    above = [direct, *cumulative[lowest + 1 :]]
    at = int(np.argmin(above))
    return float(above[at]), min(lowest + at, len(cumulative))
