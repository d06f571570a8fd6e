"""Recovery on the demo: direction, top-K nearest features and random active features, on held-out refused prompts.

Knows: the shipped demo and its reference answers. Does not know: verdicts, but for choosing prompts that the unedited demo
refuses. Random: as many active features, layer by layer, as of the top-10 are active on the prompt; several draws, of
which each prompt's gap is the mean.

    python scripts/demo/recovery.py --prompts 60
"""

from __future__ import annotations

import argparse
import random

import numpy as np
from common import ASSETS  # noqa: F401  puts core within reach

from core import Edits, Engine, load
from core.answers.rule_judges import verdicts_of
from core.edits.feature_sets import features_of, random_active, top_per_layer
from core.measures.recovery import Gap, over_prompts
from core.prompts.references import Reference, shipped_references

TOP = (3, 5, 10)
_TOGETHER = 8


def refused(engine: Engine, references: list[Reference], most: int, seed: int) -> list[Reference]:
    """Those whose prompt the unedited demo refuses, up to `most`, drawn by `seed`."""
    shuffled = random.Random(seed).sample(references, len(references))
    found: list[Reference] = []
    for start in range(0, len(shuffled), 32):
        part = shuffled[start : start + 32]
        prompts = [one.prompt for one in part]
        verdicts = verdicts_of(engine.judge, prompts, [a for (a,) in engine.answers(prompts, [Edits()], 24)])
        found += [one for one, verdict in zip(part, verdicts, strict=True) if verdict == "refused"]
        if len(found) >= most:
            break
    return found[:most]


def controls(engine: Engine, prompt: str, draws: int) -> list[Edits]:
    """Random active features, `draws` times."""
    frame, like = engine.features(prompt), top_per_layer(engine.alignment(), 10)
    active = set(features_of(frame[frame["position"] > 0]))
    return [Edits.ablate(random_active(frame, [f for f in like if f in active], n, like)) for n in range(draws)]


def mean_gap(gaps: list[Gap]) -> Gap:
    """One prompt's gap over several draws."""
    return gaps[0]._replace(edited=float(np.mean([gap.edited for gap in gaps])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    engine = load("demo")
    chosen = refused(engine, shipped_references(engine.spec.references), options.prompts, options.seed)
    sets = {"direction": Edits.ablate_direction(engine.direction())}
    sets |= {f"top-{k}": Edits.ablate(top_per_layer(engine.alignment(), k)) for k in TOP}
    found: dict[str, list[Gap]] = {name: [] for name in (*sets, "random")}
    for start in range(0, len(chosen), _TOGETHER):
        for row in engine.recovery(chosen[start : start + _TOGETHER], list(sets.values())):
            for name, gap in zip(sets, row, strict=True):
                found[name].append(gap)
    for one in chosen:
        (row,) = engine.recovery([one], controls(engine, one.prompt, options.draws))
        found["random"].append(mean_gap(row))
    print(f"{len(chosen)} refused prompts of {engine.spec.name}, held out, seed {options.seed}")
    for name, gaps in found.items():
        unedited, edited, reference = np.mean([gap[:3] for gap in gaps], axis=0)
        result = over_prompts(gaps)
        print(
            f"{name:10s} recovery {result}, no gap {result.no_gap}; mean NLL unedited {unedited:.2f}, "
            f"edited {edited:.2f}, reference {reference:.2f}"
        )


if __name__ == "__main__":
    main()
