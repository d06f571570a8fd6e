"""Where a card's numbers come from, read off an engine; and the direction that a card carries with it.

Knows: an engine's parts. Does not know: what is measured, or how two sources are compared (`verify.py`).
"""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import torch

from core.answers.fitted import with_people
from core.answers.judge import Judge
from core.card.contents import DirectionUsed, JudgeUsed, SaeUsed, Source
from core.edits.direction import Direction
from core.engine import Engine
from core.models.trained import named_saes
from core.versions import versions


def source_of(engine: Engine, judge: Judge | None = None) -> Source:
    """Everything the numbers of this engine depend on. judge: by default the engine's own."""
    spec, runtime = engine.spec, engine.runtime
    config = engine.model.config
    return Source(
        model=spec.name,
        model_id=_portable(spec.model_id),
        revision=spec.revision or "",
        weights=runtime.digests.weights,
        architecture=str(config.model_type),
        n_layers=engine.n_layers,
        refusal_tokens=tuple(spec.refusal_tokens),
        refusal_pieces=engine.refusal_pieces,
        saes=saes_of(engine),
        direction=direction_used(engine.direction()) if engine.has_direction else None,
        dtype=engine.dtype,
        device=engine.device,
        thinking=runtime.template.thinking,
        versions=versions(),
        judge=judge_used(engine.judge if judge is None else judge),
    )


def _portable(model_id: str) -> str:
    """A hub's name as it is; of a folder its last part, because the rest is of one machine."""
    return Path(model_id).name if Path(model_id).is_absolute() else model_id


def saes_of(engine: Engine) -> tuple[SaeUsed, ...]:
    """The SAEs, by layer."""
    names = named_saes(engine.spec)
    return tuple(SaeUsed(layer, names[layer], digest) for layer, digest in engine.runtime.digests.saes.items())


def judge_used(judge: Judge) -> JudgeUsed:
    """A judge, with how far it agrees with people."""
    known = with_people(judge.name, judge.revision)
    if known is None:
        return JudgeUsed(judge.name, judge.revision, None, None, None, None)
    return JudgeUsed(judge.name, judge.revision, known.kappa, known.low, known.high, known.n)


def direction_used(direction: Direction) -> DirectionUsed:
    """The direction as a card carries it."""
    vector = direction.vector.detach().to("cpu", torch.float32).numpy().astype("<f4")
    rule = str(direction.provenance.get("rule", ""))
    coded = base64.b64encode(vector.tobytes()).decode()
    return DirectionUsed(direction.layer, direction.position, direction.norm, rule, direction.key, coded)


def direction_of(used: DirectionUsed) -> Direction:
    """The other way round. Raises ValueError for what is no vector."""
    vector = np.frombuffer(base64.b64decode(used.vector, validate=True), dtype="<f4").astype(np.float32)
    return Direction(used.layer, used.position, torch.from_numpy(vector), used.norm, {"rule": used.rule})
