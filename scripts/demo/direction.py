"""Compute the demo's refusal direction from the bundled train and val prompts and ship it, with both rules' scores.

Knows: `core`. With `--quick`, prints each layer's scores on a few prompts and writes nothing: for choosing SAE layers.
"""

import argparse

from common import ASSETS

from core import load
from core.edits.direction import make_direction, save_direction
from core.measures import direction_search
from core.prompts.shipped import read_shipped, shipped_texts


def quick(engine, most: int) -> None:
    rows = read_shipped(engine.spec.prompts)
    runtime = engine.runtime
    train = [[engine.prompt(t) for t in shipped_texts(rows, k, "train", 64)] for k in ("harmful", "benign")]
    val = [[engine.prompt(t) for t in shipped_texts(rows, k, "val", most)] for k in ("harmful", "benign")]
    raw = direction_search.mean_last(runtime, train[0]) - direction_search.mean_last(runtime, train[1])
    directions = [make_direction(raw[n], n) for n in range(4, runtime.n_layers, 1)]
    for c in direction_search.score(runtime, directions, val[0], val[1], 16, lambda m, s: None):
        print(
            f"layer {c.layer:2d} flip {c.flip_rate:.0%} degenerate {c.degenerate_rate:.0%} ablated score {c.ablated_score:+.2f} "
            f"KL {c.kl:.3f} induced {c.induced_score:+.2f} norm {c.norm:.1f}",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", type=int, default=0, help="prompts a side")
    options = parser.parse_args()
    engine = load("demo")
    if options.quick:
        quick(engine, options.quick)
        return
    found = engine.compute_direction(
        rule="balanced", progress=lambda m, s: print(f"{s:4.0%} {m}", flush=True), keep=False
    )
    save_direction(found, ASSETS / "direction.safetensors")
    for c in found.provenance["candidates"]:
        print(c)
    print({k: v for k, v in found.provenance.items() if k != "candidates"})


if __name__ == "__main__":
    main()
