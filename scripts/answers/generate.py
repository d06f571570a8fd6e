"""Generate the demo's answers that people label: held-out bundled prompts under every kind of edit.

Knows: which prompts meet which edits, and how many. Each prompt meets one edit, so that answers are independent. Does
not know: labels. Writes one JSON line an answer to the work folder, with what the unedited model thinks of it.

    python scripts/answers/generate.py
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, and stands on core

from core import Edits, Engine, Feature, load
from core.answers.likelihood import OTHERS, Reference
from core.edits.feature_sets import features_of, random_active, top_per_layer
from core.hydra import bos_view
from core.paths import cache_folder
from core.prompts.shipped import ShippedPrompt, prompts_file, read_shipped
from scripts.answers.plain_likelihood import likelihood_ratio, mean_nll

WORK = cache_folder() / "answers"
SEED = 11
LIMIT = 64


class Condition(NamedTuple):
    """name: kept with each answer. counts: how many harmful, look-alike and benign prompts. limit: most new tokens."""

    name: str
    counts: tuple[int, int, int]
    limit: int = LIMIT


CONDITIONS = (
    Condition("unedited", (36, 24, 36)),
    Condition("direction ablated", (34, 10, 10)),
    Condition("top-3 ablated", (30, 10, 8)),
    Condition("top-5 ablated", (18, 0, 4)),
    Condition("top-10 ablated", (18, 0, 6)),
    Condition("top-20 ablated", (6, 0, 2)),
    Condition("random active ablated", (14, 0, 6)),
    Condition("bos clamp 4", (4, 2, 3)),
    Condition("bos clamp 16", (4, 2, 3)),
    Condition("bos clamp 64", (4, 2, 3)),
    Condition("bos clamp 4, direction ablated", (5, 0, 0)),
    Condition("bos clamp 16, direction ablated", (5, 0, 0)),
    Condition("direction added 0.5", (0, 4, 5)),
    Condition("direction added 1", (0, 4, 5)),
    Condition("direction added 2", (0, 3, 4)),
    Condition("unedited", (4, 2, 3), 6),
    Condition("direction ablated", (4, 2, 0), 6),
    Condition("top-3 ablated", (4, 0, 2), 6),
    Condition("unedited", (4, 2, 2), 12),
    Condition("direction ablated", (4, 0, 2), 12),
)


def make_edits(engine: Engine) -> dict[str, Edits]:
    """Condition → edits, of all but the random control, which each prompt draws for itself."""
    alignment, direction = engine.alignment(), engine.direction()
    off = Edits.ablate_direction(direction)
    top = {k: Edits.ablate(top_per_layer(alignment, k)) for k in (3, 5, 10, 20)}
    woken = bos_view(engine, top[3]).woken.sort_values("cosine", ascending=False)
    held = features_of(woken.head(8))
    found = {"unedited": Edits(), "direction ablated": off}
    found |= {f"top-{k} ablated": edits for k, edits in top.items()}
    for value in (4, 16, 64):
        found[f"bos clamp {value}"] = Edits.clamp(held, float(value), "bos")
        found[f"bos clamp {value}, direction ablated"] = off + Edits.clamp(held, float(value), "bos")
    size = natural_size(engine)
    print(f"direction's natural size {size:.1f}; held at BOS {[str(f) for f in held]}", flush=True)
    for times in (0.5, 1, 2):
        found[f"direction added {times}"] = Edits.add_direction(direction, times * size)
    return found


def natural_size(engine: Engine) -> float:
    """How far harmful and benign requests lie apart along the direction at its layer, last position."""
    rows = read_shipped(prompts_file())
    direction = engine.direction()
    means = []
    for kind in ("harmful", "benign"):
        texts = [p.text for p in rows if p.kind == kind and p.split == "train"][:32]
        projections = []
        for text in texts:
            ids = engine.prompt(text).ids
            hidden = hidden_at(engine, ids, direction.layer)
            projections.append(float(hidden @ direction.vector.float()))
        means.append(sum(projections) / len(projections))
    return means[0] - means[1]


def hidden_at(engine: Engine, ids: tuple[int, ...], layer: int) -> Any:
    """float32 [d_model]: the unedited output of block `layer` at the last token."""
    with torch.inference_mode():
        out = engine.model(input_ids=torch.tensor([ids]), output_hidden_states=True, use_cache=False)
    return out.hidden_states[layer + 1][0, -1].float()


def shares(rows: list[ShippedPrompt]) -> list[tuple[Condition, ShippedPrompt]]:
    """Which held-out prompt meets which condition: shuffled once, each used once, a pair's two sides apart at will."""
    generator, pools = random.Random(SEED), {}
    for kind in ("harmful", "lookalike", "benign"):
        pools[kind] = [p for p in rows if p.kind == kind and p.split in ("test", "val")]
        generator.shuffle(pools[kind])
    return [
        (condition, pools[kind].pop())
        for condition in CONDITIONS
        for kind, count in zip(("harmful", "lookalike", "benign"), condition.counts, strict=True)
        for _ in range(count)
    ]


def answered(engine: Engine, asked: list[ShippedPrompt], condition: Condition, edits: dict[str, Edits]) -> list[str]:
    """The greedy answers of one condition."""
    texts = [prompt.text for prompt in asked]
    if condition.name != "random active ablated":
        return [row[0] for row in engine.answers(texts, [edits[condition.name]], condition.limit)]
    like = edits["top-10 ablated"].features
    sets = [control(engine, text, like, number) for number, text in enumerate(texts)]
    return [engine.answers([text], [drawn], condition.limit)[0][0] for text, drawn in zip(texts, sets, strict=True)]


def control(engine: Engine, text: str, like: tuple[Feature, ...], seed: int) -> Edits:
    """As many random active features as of `like` are active on this prompt, layer by layer."""
    frame = engine.features(text)
    active = set(features_of(frame[frame["position"] > 0]))
    return Edits.ablate(random_active(frame, [f for f in like if f in active], seed, like))


def measured(engine: Engine, prompts: list[str], answers: list[str]) -> list[dict[str, Any]]:
    """tokens, nll and ratio of each answer under the unedited model, with every token's terms for trials."""
    ids = [engine.tokenizer(a, add_special_tokens=False)["input_ids"] for a in answers]
    reference = Reference(engine.runtime)
    here = reference.log_probabilities([engine.prompt(p) for p in prompts], ids)
    elsewhere = [reference.log_probabilities([engine.prompt(o)] * len(ids), ids) for o in OTHERS]
    return [
        {
            "tokens": len(ids[n]),
            "nll": round(mean_nll(here[n]), 4),
            "ratio": round(likelihood_ratio(here[n], [e[n] for e in elsewhere]), 4),
            "terms": [[round(float(v), 3) for v in terms] for terms in (here[n], *(e[n] for e in elsewhere))],
        }
        for n in range(len(answers))
    ]


def main() -> None:
    engine, asked = load("demo"), shares(read_shipped(prompts_file()))
    edits = make_edits(engine)
    WORK.mkdir(parents=True, exist_ok=True)
    for number, condition in enumerate(CONDITIONS):
        path = WORK / f"demo-{number:02d}.jsonl"
        if path.exists():
            continue
        prompts = [prompt for c, prompt in asked if c is condition]
        answers = answered(engine, prompts, condition, edits)
        lines = [
            {
                "model": "demo",
                "prompt": prompt.text,
                "kind": prompt.kind,
                "pair": prompt.pair,
                "condition": condition.name,
                "answer": answer,
                "ended": values["tokens"] < condition.limit,
            }
            | values
            for prompt, answer, values in zip(
                prompts, answers, measured(engine, [p.text for p in prompts], answers), strict=True
            )
        ]
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        print(path.name, condition, flush=True)


if __name__ == "__main__":
    main()
