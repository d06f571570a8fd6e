"""The prompt files of the documented runs: harmful.txt and benign.txt, one prompt a line, the same draw every time.

Knows: the bundled prompts, and the splits that Arditi et al. 2024 publish with their code. Does not know: models.
Nothing of their lists is kept in this repository: give the folder with harmful_train, harmful_val and harmless_val, as
txt, json or any other kind that `core.prompts.files` reads.

    python scripts/prompts/draw.py bundled --out DIR
    python scripts/prompts/draw.py arditi SPLITS --out DIR
"""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, and stands on core

from core.errors import HydrascopeError, InputError
from core.prompts.files import ENDINGS
from core.prompts.public_sets import read_local
from core.prompts.shipped import prompts_file, read_shipped, shipped_texts

#: Prompts of either kind drawn from the bundled test split.
BUNDLED = 105
#: Prompts drawn from the splits of Arditi et al., and how long a benign one may be, in characters.
HARMFUL, BENIGN, LONGEST = 200, 110, 300


def from_bundled() -> tuple[list[str], list[str]]:
    """Harmful and benign prompts of the bundled test split, which nothing was trained on."""
    rows, draw = read_shipped(prompts_file()), random.Random(0)
    return (
        draw.sample(shipped_texts(rows, "harmful", "test"), BUNDLED),
        draw.sample(shipped_texts(rows, "benign", "test"), BUNDLED),
    )


def from_arditi(folder: Path) -> tuple[list[str], list[str]]:
    """Harmful and benign prompts of the published splits, without those that are bundled. Raises InputError."""
    bundled, draw = {row.text for row in read_shipped(prompts_file())}, random.Random(0)
    asked = [text for text in (*split(folder, "harmful_train"), *split(folder, "harmful_val")) if text not in bundled]
    plain = [text for text in split(folder, "harmless_val") if text not in bundled and len(text) < LONGEST]
    return draw.sample(asked, HARMFUL), draw.sample(plain, BENIGN)


def split(folder: Path, name: str) -> list[str]:
    """The prompts of one split, in the file's order, those of several lines left out. Raises InputError."""
    for ending in ENDINGS:
        if (path := folder / f"{name}.{ending}").exists():
            rows = (row.strip() for row in read_local(path).rows)
            return [row for row in rows if row and "\n" not in row]
    raise InputError(f"{folder} has no file {name}.txt, .json or the like. Give the folder with the published splits.")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", choices=("bundled", "arditi"))
    parser.add_argument("splits", type=Path, nargs="?", help="the folder with the splits of Arditi et al.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    options = parser.parse_args()
    if (options.source == "arditi") != (options.splits is not None):
        parser.error("“arditi” takes the folder with the splits, “bundled” takes none")
    try:
        harmful, benign = from_bundled() if options.splits is None else from_arditi(options.splits)
    except HydrascopeError as error:
        print(error, file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    for name, texts in (("harmful", harmful), ("benign", benign)):
        (options.out / f"{name}.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        print(f"{options.out / name}.txt: {len(texts)} prompts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
