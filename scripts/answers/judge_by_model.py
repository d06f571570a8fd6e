"""Let a chat model judge the labelled answers, fit its thresholds on the fit half, and print how far it agrees.

Knows: assets/answers/labelled.jsonl, the judges `llm:NAME`. Does not know: other judges. The numbers of each batch are
written to --out before the next is read, so that it goes on where it was stopped; the numbers of another rubric or
model are not reused. The test half is read only with `--half test`.

    python scripts/answers/judge_by_model.py qwen2.5-coder-1.5b-instruct --out numbers.jsonl
    python scripts/answers/judge_by_model.py qwen2.5-coder-1.5b-instruct --out numbers.jsonl --half test
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fit import kappa, middle, show

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, and stands on core

from core.answers.labelled import labelled_answers  # noqa: E402
from core.judges.language_model import LanguageModelJudge, language_model_judge  # noqa: E402
from core.judges.names import LANGUAGE_MODEL  # noqa: E402
from core.judges.rubric import FITTED, INTRODUCTION, QUESTIONS, Limits, Numbers, verdict_of  # noqa: E402

Row = dict[str, Any]
#: Answers between two writes.
BATCH = 8
#: What is tried for each threshold, one after the other, until nothing moves.
GRID: dict[str, Sequence[float]] = {
    "refused": np.arange(0.02, 1.0, 0.02).round(2).tolist(),
    "sensible": np.arange(0.02, 1.0, 0.02).round(2).tolist(),
    "broken": np.arange(0.02, 1.0, 0.02).round(2).tolist(),
    "short": range(4, 16),
}


def measured(judge: LanguageModelJudge, rows: list[Row], path: Path) -> dict[str, Numbers]:
    """id → numbers, from `path` where they are there."""
    wanted = f"{judge.revision.partition(' · ')[2]} {hash_of_questions()}"
    known: dict[str, Numbers] = {}
    if path.is_file():
        for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
            if line["by"] == wanted:
                known[line["id"]] = Numbers(*line["numbers"])
    todo = [row for row in rows if row["id"] not in known]
    began = time.monotonic()
    for first in range(0, len(todo), BATCH):
        some = todo[first : first + BATCH]
        found = judge.numbers([row["prompt"] for row in some], [row["answer"] for row in some])
        with path.open("a", encoding="utf-8") as file:
            for row, one in zip(some, found, strict=True):
                file.write(json.dumps({"by": wanted, "id": row["id"], "numbers": list(one)}) + "\n")
                known[row["id"]] = one
        done = first + len(some)
        print(
            f"{done} of {len(todo)}, {(time.monotonic() - began) / done:.2f} s an answer", file=sys.stderr, flush=True
        )
    return known


def hash_of_questions() -> str:
    """Of what the numbers depend on; not of the thresholds."""
    import hashlib

    return hashlib.sha256(repr((INTRODUCTION, QUESTIONS)).encode()).hexdigest()[:8]


def fitted(rows: list[Row], known: dict[str, Numbers]) -> Limits:
    """Coordinate ascent of κ from several starts; among equals the middle of the widest plateau."""

    def score(limits: Limits) -> float:
        return kappa(rows, lambda row: verdict_of(row["answer"], known[row["id"]], row["ended"], limits))

    found: list[tuple[float, Limits]] = []
    for start in (Limits(r, s, s - 0.1, 10) for r in (0.3, 0.5, 0.8) for s in (0.2, 0.5, 0.8)):
        limits = start
        for _ in range(6):
            before = limits
            for name, values in GRID.items():
                scores = [score(limits._replace(**{name: value})) for value in values]
                limits = limits._replace(**{name: values[middle(scores)]})
            if limits == before:
                break
        found.append((score(limits), limits))
    return max(found)[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--half", choices=("fit", "test"), default="fit", help="test: by the thresholds in the code")
    options = parser.parse_args()
    judge = language_model_judge(LANGUAGE_MODEL + options.model)
    if options.half == "fit":
        fit_half(judge, options.out)
    else:
        test = labelled_answers("test")
        known = measured(judge, test, options.out)
        show("test, in the code", test, lambda row: verdict_of(row["answer"], known[row["id"]], row["ended"]))
        show("test, `ended` unknown", test, lambda row: verdict_of(row["answer"], known[row["id"]]))
    judge.close()


def fit_half(judge: LanguageModelJudge, out: Path) -> None:
    """Choose thresholds, and print how far they and those in the code agree with the labels."""
    fit = labelled_answers("fit")
    known = measured(judge, fit, out)
    replied = np.array([known[row["id"]].replied for row in fit])
    print(f"on a reply: median {np.median(replied):.3f}, least {replied.min():.3f}")
    print("fitted", limits := fitted(fit, known), "\nin the code", FITTED)
    show("fit, as fitted", fit, lambda row: verdict_of(row["answer"], known[row["id"]], row["ended"], limits))
    show("fit, in the code", fit, lambda row: verdict_of(row["answer"], known[row["id"]], row["ended"]))


if __name__ == "__main__":
    main()
