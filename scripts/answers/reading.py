"""Prepare generated answers for blind reading, and put the labels together.

Knows: the work folder's answers, and label files of one `id label` an entry. Does not know: models, rules.

    python scripts/answers/reading.py chunks 1 demo # pass 1: text files to read, shuffled, without condition
    python scripts/answers/reading.py agreement     # the two passes against each other
    python scripts/answers/reading.py assemble      # assets/answers/labelled.jsonl
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, and stands on core

from core.answers.likelihood import SKIPPED  # noqa: E402
from core.judges.agreement import agreement  # noqa: E402
from core.paths import assets_folder, cache_folder  # noqa: E402

WORK = cache_folder() / "answers"
LABELS = {"r": "refused", "c": "complied", "o": "off-topic", "d": "degenerate", "u": "undetermined"}
FLAGS = {"l": "looping", "y": "delayed_refusal"}
CHUNK = 30


def read_answers() -> list[dict[str, Any]]:
    """Every generated answer, numbered in an order that tells nothing of its condition."""
    rows = [
        json.loads(line)
        for path in sorted(WORK.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line
    ]
    rows.sort(key=lambda row: hashlib.sha256(f"{row['prompt']}|{row['answer']}".encode()).hexdigest())
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row["model"]] += 1
        row["id"] = f"{row['model'][0]}{counts[row['model']]:03d}"
    return rows


def write_chunks(rows: list[dict[str, Any]], reading: int, model: str) -> int:
    """Text files of `CHUNK` answers each, in this reading's order. Returns how many."""
    order = [row for row in rows if row["model"] == model]
    random.Random(1000 + reading).shuffle(order)
    parts = [order[at : at + CHUNK] for at in range(0, len(order), CHUNK)]
    for number, part in enumerate(parts):
        text = "".join(
            f"=== {r['id']} [{'ended' if r['ended'] else 'cut'}]\nQ: {r['prompt']}\nA: {r['answer']}\n" for r in part
        )
        (WORK / f"pass{reading}-{model}-{number:02d}.txt").write_text(text, encoding="utf-8")
    return len(parts)


def read_labels(path: Path) -> dict[str, tuple[str, tuple[str, ...]]]:
    """id → label, flags. An entry is `d017 rl`: a label's letter, then letters of flags; commas or lines between."""
    found = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for entry in line.split(","):
            if entry.strip():
                number, letters = entry.split()
                found[number] = (LABELS[letters[0]], tuple(FLAGS[f] for f in letters[1:]))
    return found


def halves(rows: list[dict[str, Any]]) -> dict[str, str]:
    """id → fit or test. Answers to one prompt, or to the two of a pair, fall in one half; each model and label is
    dealt out evenly: groups are sorted by what is in them and dealt alternately."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"pair {row['pair']}" if row["pair"] else row["prompt"], []).append(row)
    key = {
        name: (
            sorted((r["model"], r["label"], r["condition"]) for r in group),
            hashlib.sha256(name.encode()).hexdigest(),
        )
        for name, group in groups.items()
    }
    found = {}
    for number, name in enumerate(sorted(groups, key=key.__getitem__)):
        for row in groups[name]:
            found[row["id"]] = "fit" if number % 2 == 0 else "test"
    return found


def main() -> None:
    what, rows = sys.argv[1], read_answers()
    if what == "chunks":
        print(write_chunks(rows, int(sys.argv[2]), sys.argv[3]), "chunks")
        return
    first, second = (read_labels(WORK / f"labels{n}.txt") for n in (1, 2))
    missing = [r["id"] for r in rows if r["id"] not in first or r["id"] not in second]
    print("missing", missing)
    ids = [r["id"] for r in rows if r["id"] not in missing]
    a, b = ([labels[i][0] for i in ids] for labels in (first, second))
    print(f"n {len(ids)}, agreed {sum(x == y for x, y in zip(a, b, strict=True))}, kappa {agreement(a, b).kappa:.3f}")
    differing = [i for i in ids if first[i][0] != second[i][0]]
    if what == "agreement":
        print(Counter((first[i][0], second[i][0]) for i in differing))
        by_id = {r["id"]: r for r in rows}
        for i in differing:
            row = by_id[i]
            print(f"=== {i} [{'ended' if row['ended'] else 'cut'}]\nQ: {row['prompt']}\nA: {row['answer']}")
        return
    third = read_labels(WORK / "labels3.txt")
    left_out = set((WORK / "left_out.txt").read_text().split()) if (WORK / "left_out.txt").exists() else set()
    for row in rows:
        settled = third.get(row["id"], first[row["id"]])
        row["label"], row["pass1"], row["pass2"] = settled[0], first[row["id"]][0], second[row["id"]][0]
        after_own, *after_others = (np.array(terms[SKIPPED:]) for terms in row["terms"])
        row["here"] = round(float(-after_own.mean()), 3) if len(after_own) else None
        row["elsewhere"] = round(float(-np.mean(after_others)), 3) if len(after_own) else None
        row["flags"] = sorted(set(settled[1]) | set(first[row["id"]][1]) & set(second[row["id"]][1]))
    rows = [r for r in rows if r["id"] not in left_out]
    half = halves(rows)
    folder = assets_folder() / "answers"
    folder.mkdir(exist_ok=True)
    kept = (
        "id",
        "model",
        "prompt",
        "kind",
        "condition",
        "answer",
        "tokens",
        "ended",
        "nll",
        "here",
        "elsewhere",
        "label",
        "pass1",
        "pass2",
        "flags",
    )
    with (folder / "labelled.jsonl").open("w", encoding="utf-8") as file:
        for row in rows:
            line = {("prompt_kind" if k == "kind" else k): row[k] for k in kept} | {"split": half[row["id"]]}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(Counter((r["label"], half[r["id"]]) for r in rows))


if __name__ == "__main__":
    main()
