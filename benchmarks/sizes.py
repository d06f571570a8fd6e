"""Cost over size: seconds and peak memory as prompts, edit sets, features a set and edited layers grow one by one.

Every point runs in a process of its own, once, after a small pass that nothing is counted of; so its peak is its own.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import numpy as np

from benchmarks.demo_sets import PROMPT
from benchmarks.geometry import apart
from benchmarks.timing import peak_gigabytes, row, write
from core import Edits, Engine, Feature, load
from core.prompts.shipped import read_shipped


class Point(NamedTuple):
    """What is measured at once; features: of each set, over all its layers. layers: of the demo's ten."""

    prompts: int = 1
    sets: int = 16
    features: int = 100
    layers: int = 10


#: What grows → the points; the others stay at their default.
AXES = {
    "prompts": [Point(prompts=n, sets=1) for n in (10, 100, 1000)],
    "sets": [Point(sets=n) for n in (1, 16, 256, 4096)],
    "features": [Point(features=n) for n in (1, 20, 200, 2000)],
    "layers": [Point(layers=n) for n in (1, 5, 10)],
}


def edit_sets(engine: Engine, point: Point) -> list[Edits]:
    """Random features of the first so many SAE layers, each set with its own."""
    rng, widths = np.random.default_rng(0), engine.widths
    layers = list(widths)[: point.layers]
    assert len(layers) == point.layers, "fewer SAEs than the point says"
    found = []
    for _ in range(point.sets):
        chosen = [layers[i % len(layers)] for i in range(point.features)]
        picks = {n: rng.choice(widths[n], chosen.count(n), replace=False) for n in layers}
        found.append(Edits.ablate([Feature(n, int(i)) for n, several in picks.items() for i in several]))
    return found


def texts(engine: Engine, number: int) -> list[str]:
    """So many prompts that all differ: the bundled ones, then the same with a number behind."""
    if number == 1:
        return [PROMPT]
    assert engine.spec.prompts is not None
    known = [one.text for one in read_shipped(engine.spec.prompts)]
    return [known[i % len(known)] + (f" ({i // len(known)})" if i >= len(known) else "") for i in range(number)]


def measured(engine: Engine, point: Point) -> float:
    """Seconds of one measurement of a point."""
    prompts, edits = texts(engine, point.prompts), edit_sets(engine, point)
    engine.measure(prompts[:1], edits[:1])
    begun = time.perf_counter()
    engine.measure(prompts, edits)
    return time.perf_counter() - begun


def one_point(values: tuple[int, ...], queue) -> None:
    engine = load("demo", device="cpu", dtype="float32")
    queue.put((measured(engine, Point(*values)), peak_gigabytes()))


def main() -> dict:
    print("Demo model, cost over size, float32, each point once in a process of its own")
    figures: dict[str, list] = {}
    for axis, points in AXES.items():
        for point in points:
            seconds, peak = apart(one_point, tuple(point))
            figures.setdefault(axis, []).append({**point._asdict(), "seconds": seconds, "peak_gigabytes": peak})
            row(f"{axis} {getattr(point, axis):,}", f"{seconds:.2f} s, {peak:.2f} GB")
    write("sizes", figures)
    return figures


if __name__ == "__main__":
    main()
