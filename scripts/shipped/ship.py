"""Put what was trained and computed for a model into `assets`, where the program offers it to everybody.

    python -m core saes train NAME --layers 13,15,17,19 …
    python scripts/shipped/ship.py NAME

Knows: where a training's files lie, and the layout that `core.models.registry.from_gguf` reads. Copies the SAEs with
their cards, joins the labels into one file, and computes the refusal direction from the bundled train and val prompts.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, and stands on core

from core import load  # noqa: E402
from core.edits.direction import save_direction  # noqa: E402
from core.models.trained import TrainedSuite, suite_name, trained_suite  # noqa: E402
from core.paths import assets_folder  # noqa: E402
from core.shipped_files import MANIFEST, manifest_text  # noqa: E402


def ship_saes(suite: TrainedSuite, layers: list[int], folder: Path) -> None:
    """The SAEs, cards and labels of a trained suite."""
    shutil.rmtree(folder / "saes", ignore_errors=True)
    for layer in layers:
        shutil.copytree(suite.sae(layer), folder / "saes" / f"layer_{layer:02d}")
    labels = pd.concat([pd.read_parquet(suite.labels / f"layer_{layer}.parquet") for layer in layers])
    labels.to_parquet(folder / "labels.parquet", compression="zstd", compression_level=19, index=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("--layers", default="", help="such as 13,15; default: all that were trained")
    parser.add_argument("--rule", default="arditi", help="how the direction's layer is chosen")
    parser.add_argument("--keep-direction", action="store_true", help="keep the direction that is there")
    options = parser.parse_args()
    folder, suite = assets_folder() / options.name, trained_suite(options.name)
    layers = [int(part) for part in options.layers.split(",") if part] or list(suite.layers if suite else ())
    if suite is None or not set(layers) <= set(suite.layers):
        raise SystemExit(f"“{options.name}” has no trained SAEs at all of the layers {layers}. Train them first.")
    ship_saes(suite, layers, folder)
    if not options.keep_direction:
        engine = load(suite_name(options.name))
        found = engine.compute_direction(
            rule=options.rule, progress=lambda message, share: print(f"{share:4.0%} {message}", flush=True), keep=False
        )
        save_direction(found, folder / "direction.safetensors")
        for candidate in found.provenance["candidates"]:
            print(candidate)
    (assets_folder() / MANIFEST).write_text(manifest_text(assets_folder()), encoding="utf-8")
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.name}: layers {layers}, {total / 2**20:.1f} MiB")


if __name__ == "__main__":
    main()
