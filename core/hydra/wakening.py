"""What wakes when an edit is made: woken features, where they fire, and how far asleep they and others were.

Knows: pre-activations before and under an edit. Does not know: which ablated feature held which one down (`links.py`).
*Woken*: dormant at every position of the unedited prompt and active under the edit, read before that layer's own edit
(paper, “Redundant Features”, Fig. 2). Only layers above the lowest edited one can hold woken features.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from core.edits.edits import Edits
from core.engine import Engine
from core.errors import InputError
from core.measures.reading import PromptReading
from core.measures.scores import refusal_score
from core.prompts.conversation import PromptLike

MARKS = ["layer", "index", "position", "token", "activation", "cosine", "bos"]
ABLATED = ["layer", "index", "position", "token", "activation", "cosine"]
MARGINS = ["layer", "index", "state", "position", "before", "after", "threshold", "cosine"]

#: One table, name → array: a DataFrame for each block would cost more than the block itself.
ColumnArrays = dict[str, np.ndarray]
_KINDS = {"layer": np.int64, "index": np.int64, "position": np.int64, "woken": np.bool_}


class BeforeAfter(NamedTuple):
    """The same number unedited and under the edit."""

    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Wakening:
    """What an edit wakes on one prompt: plain values, no reference to the model.

    pieces, spans: the prompt's tokens, as in a Prompt. p, score: refusal probability and log-odds at the last position;
    NaN in a BOS view, which has no answer to begin.
    marks: one row per woken feature and position where it fires under the edit: layer, index, position, token,
    activation, cosine (of its decoder row with the refusal direction, NaN without one), bos (whether it is position 0,
    where the prompt plays no part).
    ablated: the same columns less `bos`, where the edited features fire on the unedited prompt.
    margins: one row per woken feature, and per dormant feature among those that came closest to firing under the edit:
    layer, index, state (“woken” or “nearly”), position (where its pre-activation is highest under the edit), before and
    after (its pre-activations there), threshold (what they must exceed: never below 0), cosine. Closest first.
    Activations and pre-activations are in SAELens units, float32; sorted by layer, index, position but for margins.
    """

    pieces: tuple[str, ...]
    spans: Mapping[str, tuple[int, int]]
    p: BeforeAfter
    score: BeforeAfter
    marks: pd.DataFrame
    ablated: pd.DataFrame
    margins: pd.DataFrame

    @property
    def woken(self) -> pd.DataFrame:
        """One row per woken feature, strongest first: layer, index, position and activation where it fires most,
        cosine, bos_only (whether it fires at BOS and nowhere else).
        """
        by = ["layer", "index"]
        strongest = self.marks.sort_values(["activation", *by], ascending=[False, True, True], kind="stable")
        only = self.marks.groupby(by)["bos"].all().rename("bos_only").reset_index()
        kept = strongest.drop_duplicates(by)[[*by, "position", "activation", "cosine"]]
        return kept.merge(only, on=by, how="left").reset_index(drop=True)


def refresh(engine: Engine, prompt: PromptLike, edits: Edits, nearly: int = 50) -> Wakening:
    """Baseline, edited, and margins over all SAE layers, each dictionary read once for both. Raises InputError."""
    return _wakening(
        engine, engine.reader.prompt(engine.prompt(prompt), [Edits(), edits], edits.features), edits, nearly
    )


@dataclass(frozen=True, eq=False)
class BosBaseline:
    """The unedited model at BOS, a constant of the model: layer → float32 [features], for every SAE layer.

    pre: pre-activations. activations: in SAELens units. cosine: of each decoder row with the refusal direction, NaN
    without one.
    """

    pre: Mapping[int, np.ndarray]
    activations: Mapping[int, np.ndarray]
    cosine: Mapping[int, np.ndarray]


def bos_baseline(engine: Engine) -> BosBaseline:
    """For `bos_view`, to save running the unedited model again at every edit. Raises InputError without SAEs."""
    every, active = {}, {}
    for layer, x in engine.reader.bos(engine.prompt("Hello"), [Edits()], every_layer=True).residuals.items():
        blocks = [(pre[0, 0], threshold) for _, pre, threshold in engine.reader.preactivations(layer, x)]
        every[layer] = torch.cat([pre for pre, _ in blocks]).cpu().numpy()
        active[layer] = torch.cat([pre.where(pre > threshold, 0.0) for pre, threshold in blocks]).cpu().numpy()
    aligned = {n: engine.reader.cosines(np.full(len(pre), n), np.arange(len(pre))) for n, pre in every.items()}
    return BosBaseline(every, active, aligned)


def bos_view(engine: Engine, edits: Edits, nearly: int = 50, baseline: BosBaseline | None = None) -> Wakening:
    """The BOS token alone, which no prompt can change: the BOS row of `refresh` for any prompt, from a one-token pass.

    A feature is dormant here when it is so at BOS; on a prompt it may fire elsewhere. baseline: what `bos_baseline`
    returned for this engine; without it the unedited model runs in the same pass. Raises InputError.
    """
    if baseline is None:
        return _wakening(
            engine, engine.reader.bos(engine.prompt("Hello"), [Edits(), edits], edits.features), edits, nearly
        )
    reading = engine.reader.bos(engine.prompt("Hello"), [edits])
    watched = np.array([[baseline.activations[f.layer][f.index]] for f in edits.features], dtype=np.float32)
    p = np.full(2, np.nan)
    known = PromptReading(reading.prompt, reading.residuals, p, watched.reshape(-1, 1))
    return _wakening(engine, known, edits, nearly, baseline)


def _wakening(
    engine: Engine, reading: PromptReading, edits: Edits, nearly: int, known: BosBaseline | None = None
) -> Wakening:
    """known: the unedited model at the one position read, when it is not in `reading`."""
    if not isinstance(nearly, int) or nearly < 0:
        raise InputError(f"The number of nearly woken features is {nearly!r:.40}; give a whole number from 0 on.")
    marks: list[ColumnArrays] = []
    margins: list[ColumnArrays] = []
    for layer, x in reading.residuals.items():
        for start, pre, threshold in engine.reader.preactivations(layer, x):
            before, after = pre[0], pre[-1]
            if known is not None:
                before = torch.from_numpy(known.pre[layer][start : start + len(threshold)]).to(after)[None]
            marks.append(_marks(layer, start, before, after, threshold))
            margins.append(_margins(layer, start, before, after, threshold, nearly))
    marked = _join(marks, ["layer", "index", "position", "activation"])
    joined = _join(margins, ["layer", "index", "woken", "position", "before", "after", "threshold"])
    close = _closest(joined, nearly)
    marked["bos"] = (marked["position"] == 0) & ("bos" in reading.prompt.spans)
    fired = _fired(reading, edits)
    tables = (marked, fired, close)
    layers, indices = (np.concatenate([table[name] for table in tables]) for name in ("layer", "index"))
    every = engine.reader.cosines(layers, indices) if known is None else _looked_up(known.cosine, layers, indices)
    cosine = np.split(every, np.cumsum([len(table["layer"]) for table in tables])[:-1])
    pieces = np.array(reading.prompt.pieces, dtype=object)
    for table, aligned in zip(tables, cosine, strict=True):
        table |= {"cosine": aligned, "token": pieces[table["position"]]}
    p = BeforeAfter(*map(float, reading.p))
    return Wakening(
        reading.prompt.pieces,
        dict(reading.prompt.spans),
        p,
        BeforeAfter(*map(float, refusal_score(reading.p))),
        _frame(marked, MARKS),
        _frame(fired, ABLATED),
        _frame(close, MARGINS),
    )


def _marks(layer: int, start: int, before: torch.Tensor, after: torch.Tensor, threshold: torch.Tensor) -> ColumnArrays:
    """Where features of one block that never fire in `before` fire in `after`, both float32 [positions, block]."""
    on = (after > threshold) & (before <= threshold).all(0)
    index, at = on.T.nonzero(as_tuple=True)
    return _columns(layer, index + start, position=at, activation=after[at, index])


def _margins(
    layer: int, start: int, before: torch.Tensor, after: torch.Tensor, threshold: torch.Tensor, nearly: int
) -> ColumnArrays:
    """The block's woken features, and its `nearly` dormant ones that came closest to firing."""
    highest, at = after.max(0)
    asleep = (before <= threshold).all(0)
    woke = asleep & (highest > threshold)
    gap = (highest - threshold).masked_fill(~asleep | woke, -torch.inf)
    close = gap.topk(min(nearly, int((gap > -torch.inf).sum()))).indices
    index = torch.cat([woke.nonzero()[:, 0], close])
    return _columns(
        layer,
        index + start,
        woken=woke[index],
        position=at[index],
        before=before[at[index], index],
        after=highest[index],
        threshold=threshold[index],
    )


def _closest(margins: ColumnArrays, nearly: int) -> ColumnArrays:
    """All woken ones and the `nearly` closest others, closest first, with their state in words."""
    order = np.lexsort((margins["threshold"] - margins["after"], ~margins["woken"]))
    kept = order[: int(margins["woken"].sum()) + nearly]
    found = {name: values[kept] for name, values in margins.items()}
    return found | {"state": np.where(found["woken"], "woken", "nearly").astype(object)}


def _fired(reading: PromptReading, edits: Edits) -> ColumnArrays:
    """Where the edited features fire on the unedited prompt, sorted."""
    row, at = np.nonzero(reading.watched > 0)
    named = np.array(edits.features, dtype=np.int64).reshape(-1, 2)
    order = np.lexsort((at, named[row, 1], named[row, 0]))
    row, at = row[order], at[order]
    return {"layer": named[row, 0], "index": named[row, 1], "position": at, "activation": reading.watched[row, at]}


def _looked_up(cosine: Mapping[int, np.ndarray], layer: np.ndarray, index: np.ndarray) -> np.ndarray:
    """float32 [n]: as `cosines`, from what is known of whole layers."""
    found = np.full(len(layer), np.nan, dtype=np.float32)
    for number in np.unique(layer):
        here = layer == number
        found[here] = cosine[int(number)][index[here]]
    return found


def _columns(layer: int, index: torch.Tensor, **columns: torch.Tensor) -> ColumnArrays:
    values = {name: value.cpu().numpy() for name, value in columns.items()}
    return {"layer": np.full(len(index), layer, dtype=np.int64), "index": index.cpu().numpy(), **values}


def _join(parts: list[ColumnArrays], names: list[str]) -> ColumnArrays:
    """The parts one after the other; empty columns of the right kinds where the edit reaches no SAE layer."""
    kinds = {name: _KINDS.get(name, np.float32) for name in names}
    return {name: np.concatenate([np.array([], kind), *(part[name] for part in parts)]) for name, kind in kinds.items()}


def _frame(table: ColumnArrays, names: list[str]) -> pd.DataFrame:
    return pd.DataFrame({name: table[name] for name in names})
