"""Cost over size: seconds and peak memory as prompts, edit sets, features a set and edited layers grow one by one.

Every point runs in a process of its own, once, after a small pass that nothing is counted of; so its peak is its own.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.demo_sets import PROMPT
from benchmarks.geometry import apart
from benchmarks.timing import peak_gigabytes, row, write
from core import Edits, Engine, Feature, ModelSpec, load
from core.models.registry import find_spec
from core.prompts.shipped import read_shipped


class Point(NamedTuple):
    """What is measured at once; features: of each set, over all its layers. layers: edited, of the demo's ten with an
    SAE, or more with copies of these."""

    prompts: int = 1
    sets: int = 16
    features: int = 100
    layers: int = 10


#: What grows → the points; the others stay at their default.
AXES = {
    "prompts": [Point(prompts=n, sets=1) for n in (10, 100, 1000)],
    "sets": [Point(sets=n) for n in (1, 16, 256, 4096)],
    "features": [Point(features=n) for n in (1, 20, 200, 2000)],
    "layers": [Point(layers=n) for n in (1, 5, 10, 26)],
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


def spec_with(layers: int, folder: Path) -> ModelSpec:
    """The demo; where it has fewer SAEs, with one at each of its first so many layers, copies of the nearest one's
    weights. What they find there means nothing; what they cost is the same."""
    spec = find_spec("demo")
    if layers <= len(spec.layers):
        return spec
    saes = {}
    for layer in range(layers):
        near = Path(str(spec.saes[min(spec.layers, key=lambda known: abs(known - layer))]))
        saes[layer] = Path(shutil.copytree(near, folder / f"layer_{layer:02}"))
        config = json.loads((near / "cfg.json").read_text("utf-8"))
        config["metadata"]["hook_name"] = f"blocks.{layer}.hook_resid_post"
        (saes[layer] / "cfg.json").write_text(json.dumps(config), "utf-8")
    return replace(spec, name="copied-saes", layers=tuple(range(layers)), saes=saes)


def one_point(values: tuple[int, ...], queue) -> None:
    point = Point(*values)
    with tempfile.TemporaryDirectory() as folder:
        engine = load(spec_with(point.layers, Path(folder)), device="cpu", dtype="float32")
        queue.put((measured(engine, point), peak_gigabytes()))


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
