"""`make bench`: every figure the README states, as a table and as JSON under benchmarks/out."""

from __future__ import annotations

import argparse

from benchmarks import cold, demo_sets, discovery, geometry, gpu, hydra, qwen, rows, sizes
from benchmarks.timing import machine


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--parts", default="demo,rows,sizes,geometry,page,discovery,hydra,cold", help="which; also: gpu, qwen"
    )
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    parts = options.parts.split(",")
    print("machine: " + ", ".join(f"{k} {v}" for k, v in machine().items()))
    if "demo" in parts:
        demo_sets.main(options.runs)
    if "rows" in parts:
        rows.main(options.runs)
    if "sizes" in parts:
        sizes.main()
    if "geometry" in parts:
        geometry.main(max(1, options.runs - 1))
    if "page" in parts:
        from benchmarks import page  # needs a browser

        page.main()
    if "discovery" in parts:
        discovery.main(options.runs)
    if "hydra" in parts:
        hydra.main(options.runs)
    if "cold" in parts:
        cold.main()
    if "qwen" in parts:
        qwen.main(options.runs)
    if "gpu" in parts:
        gpu.main(options.runs)


if __name__ == "__main__":
    main()
