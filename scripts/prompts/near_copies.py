"""Bundled prompts that are near copies of prompts in public lists: printed, and counted by overlap.

Knows: the bundled prompts and the lists it is given, names of public sets among them. Does not know: what is written in
their stead. Nothing of the lists is kept. What counts as near is in `core.prompts.near_copies`.

    python scripts/prompts/near_copies.py advbench jailbreakbench my_list.json another.csv:question
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # run as a script, and stands on core

from core.errors import HydrascopeError
from core.prompts.near_copies import NEAR, nearest
from core.prompts.public_sets import fetch_set, find_set, read_local, set_names
from core.prompts.shipped import prompts_file, read_shipped

#: Lower ends of the bands that are counted below a near copy.
BANDS = (0.7, 0.6, 0.5)


def read_list(word: str) -> list[str]:
    """The texts of a public set, all its kinds, or of a file, after a colon its column. Raises HydrascopeError."""
    if word.lower() in set_names():
        return [row for kind in find_set(word).kinds for row in fetch_set(word, kind).rows if row.strip()]
    path, column = word, None
    if not Path(path).exists() and ":" in word:
        path, _, column = word.rpartition(":")
    return [row for row in read_local(path, column).rows if row.strip()]


def lines(words: Sequence[str], near: float) -> list[str]:
    """What is printed: near copies first, then the counts."""
    rows = read_shipped(prompts_file())
    ours = [row.text for row in rows]
    lists = {word: read_list(word) for word in dict.fromkeys(words)}
    theirs = [(word, text) for word, texts in lists.items() for text in texts]
    found = nearest(ours, [text for _, text in theirs])
    out = [f"{len(ours):,} bundled prompts against {len(theirs):,} of {len(lists)} lists:"]
    out += [f"  {len(texts):,} {Path(word).name}" for word, texts in lists.items()]
    copies = [n for n, one in enumerate(found) if one.overlap >= near]
    out.append(f"{len(copies)} with word overlap (Jaccard) of {near:g} or more:")
    for number in copies:
        row, one = rows[number], found[number]
        word, text = theirs[one.theirs]
        out += [
            f"  row {number + 2}, {row.kind} {row.pair or '–'}, {row.split}, {row.category}: {row.text}",
            f"    {one.overlap:.2f} {Path(word).name}: {text}",
        ]
    for low, high in zip(BANDS, (near, *BANDS), strict=False):
        inside = [row.kind for row, one in zip(rows, found, strict=True) if low <= one.overlap < high]
        kinds = ", ".join(f"{inside.count(kind)} {kind}" for kind in ("harmful", "lookalike", "benign"))
        out.append(f"{low:g} to {high:g}: {len(inside)} ({kinds})")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lists", nargs="+", metavar="LIST", help=f"a file, or one of {', '.join(set_names())}")
    parser.add_argument("--near", type=float, default=NEAR, help=f"overlap of a near copy ({NEAR})")
    options = parser.parse_args()
    try:
        print("\n".join(lines(options.lists, options.near)))
    except HydrascopeError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
