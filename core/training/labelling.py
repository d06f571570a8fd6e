"""Labels of a trained suite, from the conversations it was trained on.

Knows: recordings, and how labels are made of residuals (`core.labels.making`). Does not know: training. The model is
not run again: what was recorded is read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
import torch

from core.engine import Engine
from core.errors import Cancelled
from core.forward.assembly import with_saes
from core.labels.making import Made, make_labels
from core.labels.sample import Sample
from core.models.spec import ModelSpec
from core.progress import NEVER, QUIET, Progress
from core.training.chats import Chats
from core.training.pipeline import BatchSizes
from core.training.record import Recording, recorded_order

#: Tokens that labels are made from.
TOKENS = 40_000


def recorded_sample(chats: Chats, texts: Sequence[str], budget: int, most: int = TOKENS) -> tuple[Sample, int]:
    """The first conversations of a recording, at least one, and how many of its rows they are.

    texts: requests of all its conversations; which of them the first ones hold, their ids do not say.

    A sample leaves out the first token of each sequence. That is the last one of the prefix here, so what is left are
    the recorded rows, in their order.
    """
    chosen, rows = list[tuple[int, ...]](), 0
    for index in recorded_order(chats.rows, budget):
        if chosen and rows + len(chats.rows[index]) > most:
            break
        chosen.append((chats.prefix[-1], *chats.rows[index]))
        rows += len(chats.rows[index])
    return Sample(tuple(chosen), texts=tuple(texts)), rows


def label_suite(
    engine: Engine,
    spec: ModelSpec,
    chats: Chats,
    texts: Sequence[str],
    recording: Recording,
    sizes: BatchSizes,
    folder: Path,
    progress: Progress = QUIET,
    cancelled: Callable[[], bool] = NEVER,
) -> Made:
    """Label every feature of the SAEs that `spec` names, one file a layer in `folder`. The SAEs are packed first.

    engine: of the same model, with any SAEs or none. texts: requests of the conversations. Raises Cancelled (whole
    layers are kept), AssetError.
    """
    labelled = Engine(with_saes(engine.runtime, spec, cancelled=cancelled), "the same weights with other SAEs")
    sample, rows = recorded_sample(chats, texts, sizes.tokens)

    def recorded(layers: Collection[int]) -> dict[int, torch.Tensor]:
        return {n: torch.from_numpy(recording.rows(n)[:rows].astype(np.float32)) for n in layers}

    made = make_labels(labelled, sample, folder, spec.layers, progress, cancelled, recorded)
    if made.cancelled:
        raise Cancelled("The labels were stopped. Complete layers are kept.")
    return made
