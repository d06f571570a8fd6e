"""Self-repair on a model: what later blocks put back of the refusal logit, which parts do, and what holding them does.

Knows: `core.hydra`, and which prompts, sets and strengths are tried. Does not know: how self-repair is measured. Prints
Markdown, each number with n and its 95% interval (`core.statistics`); means are over prompts. With `--out FILE.json` the
tables go there too, and each prompt's numbers beside it as JSON lines, so the same command goes on where it was stopped.

    python scripts/hydra/self_repair.py --model demo --prompts harmful.txt --n 100 --layers 13 --k 5 --benign plain.txt
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from kept_rows import Row, Rows, texts
from repair_tables import report

from core import Edits, Engine, Feature, load
from core.edits.feature_sets import features_of, top_per_layer
from core.hydra import SelfRepair, hold_parts, matched_edits, self_repair

STRENGTHS = (0.25, 0.5, 0.75, 1.0)
#: Strengths at which the repairers are held: the whole edit, and one under which more prompts are still refused.
HELD_AT = (0.5, 1.0)
#: The strongest features of a layer at the last token of a benign prompt, tried one by one.
CANDIDATES = 32


def plain(found: SelfRepair, name: str, strength: float, draw: int | None) -> Row:
    """A measurement as plain values. draw: None for the set itself, else the number of its random control."""
    blocks = {
        column: found.blocks[column].round(6).tolist() for column in ("attention", "mlp", "response", "cumulative")
    }
    numbers = {
        key: round(float(getattr(found, key)), 6)
        for key in ("direct", "total", "normalisation", "deepest", "deepest_layer", "end", "put_back", "lowest")
    }
    scores = {"before": found.score.before, "after": found.score.after}
    return {"set": name, "strength": strength, "draw": draw, **numbers, **scores, "blocks": blocks}


def measured(
    engine: Engine, prompt: str, sets: dict[str, Edits], strengths: Sequence[float], tokens: Sequence[int] | None = None
) -> list[Row]:
    """Every set at every strength, and the whole edit's random controls, in one batch."""
    asked = [
        (name, strength, None, edits.at_strength(strength)) for name, edits in sets.items() for strength in strengths
    ]
    for name, edits in sets.items():
        asked += [(name, 1.0, draw, one) for draw, one in enumerate(matched_edits(engine, prompt, edits).draws)]
    found = self_repair(engine, prompt, [edits for *_, edits in asked], tokens)
    return [plain(one, name, strength, draw) for one, (name, strength, draw, _) in zip(found, asked, strict=True)]


def aligned_sets(engine: Engine, layers: Sequence[int], k: int) -> dict[str, Edits]:
    """Name → edits: the k features nearest the direction at each layer and at all, one feature, the direction."""
    frame = engine.alignment()

    def nearest(some: Sequence[int], number: int) -> Edits:
        return Edits.ablate(top_per_layer(frame[frame["layer"].isin(some)], number, skip_layers=0))

    sets = {f"top {k} at {layer}": nearest([layer], k) for layer in layers}
    if len(layers) > 1:
        sets[f"top {k} at {' and '.join(map(str, layers))}"] = nearest(layers, k)
    return sets | {
        f"one feature at {layers[0]}": nearest(layers[:1], 1),
        "direction": Edits.ablate_direction(engine.direction()),
    }


def carrying(engine: Engine, prompt: str, layer: int, token: int) -> list[Feature]:
    """Features of a layer that fire at the last token, those first whose ablation alone lowers the token's logit most.

    Of the `CANDIDATES` strongest: what the features nearest the direction are to a refusal, for any prompt.
    """
    frame = engine.activity([prompt], [layer], last=1).sort_values("activation", ascending=False)
    features = features_of(frame.head(CANDIDATES))
    if not features:
        return []
    alone = self_repair(engine, prompt, [Edits.ablate([feature]) for feature in features], [token])
    return [features[place] for place in np.argsort([one.total for one in alone], kind="stable")]


def restoring(rows: Sequence[Row], name: str, most: int) -> list[tuple[int, str]]:
    """The parts with the largest mean response above 0 under the whole edit `name`, over the prompts of `rows`."""
    mine = [
        one
        for row in rows
        for one in row["measured"]
        if (one["set"], one["strength"], one["draw"]) == (name, 1.0, None)
    ]
    means = {
        (layer, part): float(value)
        for part in ("attention", "mlp")
        for layer, value in enumerate(np.mean([one["blocks"][part] for one in mine], axis=0))
        if layer > mine[0]["lowest"] and value > 0
    }
    return sorted(means, key=lambda part: -means[part])[:most]


def held(engine: Engine, prompt: str, sets: dict[str, Edits], parts: dict[str, list[tuple[int, str]]]) -> Row:
    """Scores with the repairers of each set held while it acts, and with as many other parts held."""
    found = []
    for name, chosen in parts.items():
        for strength in HELD_AT if chosen else ():
            one = hold_parts(engine, prompt, sets[name].at_strength(strength), chosen)
            scores = {**one.score, "control": one.score_control.tolist()}
            found.append({"set": name, "strength": strength, **scores, "change": one.change, "parts": chosen})
    return {"held": found}


def benign(engine: Engine, prompt: str, layers: Sequence[int], k: int) -> Row:
    """The features off that carry the token that the unedited model would say first, and the logit of that token."""
    token = int(engine.reference([prompt]).logprobs[0].argmax())
    sets = {}
    for layer in layers:
        found = carrying(engine, prompt, layer, token)
        sets |= {f"carrying feature at {layer}": found[:1], f"{k} carrying features at {layer}": found[:k]}
    made = {name: Edits.ablate(features) for name, features in sets.items() if features}
    return {"token": token, "measured": measured(engine, prompt, made, (1.0,), [token]) if made else []}


def refused(engine: Engine, prompts: Iterator[str], most: int) -> list[str]:
    """The first `most` prompts whose unedited refusal score is above 0."""
    found: list[str] = []
    for prompt in prompts:
        if len(found) == most:
            break
        if engine.measure(prompt).refusal_score[0, 0] > 0:
            found.append(prompt)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="a name listed by `python -m core models`")
    parser.add_argument("--prompts", type=Path, help="harmful prompts (.txt, .csv …); the model's held-out ones")
    parser.add_argument("--benign", type=Path, help="benign prompts; the model's held-out ones")
    parser.add_argument("--n", type=int, default=100, help="refused prompts at most")
    parser.add_argument("--benign-n", type=int, default=100, help="benign prompts at most")
    parser.add_argument(
        "--layers", type=lambda text: [int(n) for n in text.split(",")], default=[13], help="13 or 11,13"
    )
    parser.add_argument("--k", type=int, default=5, help="features a layer")
    parser.add_argument("--parts", type=int, default=4, help="repairing parts held")
    parser.add_argument("--out", type=Path, help="FILE.json for the tables; FILE.jsonl for the prompts' numbers")
    options = parser.parse_args()
    engine = load(options.model)
    settings = {
        "model": engine.spec.name,
        "dtype": engine.dtype,
        "layers": options.layers,
        "k": options.k,
        "parts": options.parts,
    }
    rows = Rows(options.out and options.out.with_suffix(".jsonl"), settings)
    asked = refused(engine, texts(options.prompts, engine, "harmful"), options.n)
    plain_ones = list(texts(options.benign, engine, "benign"))[: options.benign_n]
    if not asked:
        raise SystemExit("No prompt of the file is refused unedited (refusal score above 0). Give others.")
    sets = aligned_sets(engine, options.layers, options.k)
    repairs = rows.of("repair", asked, lambda prompt: {"measured": measured(engine, prompt, sets, STRENGTHS)})
    # Chosen on every other prompt and held on the rest, or the choice itself would make them look restoring.
    parts = {name: restoring(repairs[::2], name, options.parts) for name in sets}
    holds = rows.of("held", asked[1::2], lambda prompt: held(engine, prompt, sets, parts))
    calibration = rows.of("benign", plain_ones, lambda prompt: benign(engine, prompt, options.layers, options.k))
    tables = report(settings, list(sets), repairs, holds, calibration)
    if options.out:
        options.out.write_text(json.dumps(settings | {"tables": tables}, indent=1) + "\n")


if __name__ == "__main__":
    main()
