"""`make demo`: the whole recipe in order, each step resumable, none run twice.

Knows the order of the steps and nothing else. About two and a half hours on two CPU cores; what is already made is kept, so delete
`assets/demo/adapter` and `assets/demo/saes` (and the working folder) to start from nothing.
"""

import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1]))
from core.shipped_files import MANIFEST, manifest_text  # noqa: E402

ASSETS = HERE.parents[1] / "assets" / "demo"

STEPS = (
    ("the base model's own answers", ["answers.py"], None),
    ("its answers to harmful prompts", ["references.py"], ASSETS / "reference_answers.jsonl"),
    ("the refusal adapter", ["refusal.py"], ASSETS / "adapter" / "finished.json"),
    ("the refusal direction", ["direction.py"], ASSETS / "direction.safetensors"),
    ("the sparse autoencoders and their cards", ["saes.py"], None),
    ("labels", ["labels.py"], ASSETS / "labels.parquet"),
    ("the card's figures", ["evaluate.py"], None),
    ("the paper's phenomena", ["phenomena.py"], None),
    ("the model card", ["card.py"], None),
)


def main() -> None:
    begun = time.time()
    for name, command, result in STEPS:
        if result is not None and result.exists():
            print(f"— {name}: already made")
            continue
        print(f"— {name} ({(time.time() - begun) / 60:.0f} min so far)", flush=True)
        subprocess.run([sys.executable, str(HERE / command[0]), *command[1:]], check=True)
        # The next step loads what this one made, and nothing is loaded that the manifest does not know.
        (ASSETS.parent / MANIFEST).write_text(manifest_text(ASSETS.parent), encoding="utf-8")
    print(f"Done in {(time.time() - begun) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
