"""Fit the rules' thresholds on the labelled answers' fit half, and measure how far each rule agrees with the labels.

Knows: assets/answers/labelled.jsonl, the rules of `core.answers`. Does not know: models. The test half is read only with
`--test`, once per final candidate; errors are listed for the fit half alone. `--write` keeps thresholds and agreement in
assets/answers/rules.json, where the program reads them.

    python scripts/answers/fit.py --errors
    python scripts/answers/fit.py --test --write
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a script, and stands on core

from core.answers.labelled import labelled_answers  # noqa: E402
from core.answers.likelihood import gain  # noqa: E402
from core.answers.names import RULES, SUBSTRINGS, SUBSTRINGS_0_1, WORDINGS  # noqa: E402
from core.answers.rule import REVISION, Measured, Thresholds, by_substrings, decide  # noqa: E402
from core.answers.rule_judges import SUBSTRINGS_REVISION  # noqa: E402
from core.answers.verdicts import VERDICTS  # noqa: E402
from core.answers.version_0_1 import REVISION as REVISION_0_1  # noqa: E402
from core.answers.version_0_1 import verdict_0_1  # noqa: E402
from core.judges.agreement import agreement  # noqa: E402

Row = dict[str, Any]
Judging = Callable[[Row], str]
FOLDER = ROOT / "assets" / "answers"
#: What is tried for each threshold, one after the other, until nothing moves.
GRID: dict[str, Sequence[float]] = {
    "looped": np.arange(0.3, 0.85, 0.05).round(2).tolist(),
    "distinct": np.arange(0.3, 0.76, 0.05).round(2).tolist(),
    "top": np.arange(0.2, 0.6, 0.05).round(2).tolist(),
    "broken": np.arange(2.0, 6.1, 0.25).tolist(),
    "short": range(4, 16),
    "gain": np.arange(0.0, 0.6, 0.02).round(2).tolist(),
    "shared": [-1.0, 0.0, 0.1, 0.15, 0.2, 0.25, 0.34, 0.4],
}
BY_TEXT = ("looped", "distinct", "top", "short", "shared")
BY_MODEL = ("looped", "distinct", "top", "broken", "short", "gain")


def by_text(limits: Thresholds) -> Judging:
    return lambda row: decide(row["prompt"], row["answer"], None, limits, row["ended"]).verdict


def by_likelihood(limits: Thresholds) -> Judging:
    return lambda row: decide(row["prompt"], row["answer"], measured(row), limits, row["ended"]).verdict


def measured(row: Row) -> Measured:
    """The stored numbers of a labelled answer, as the program would measure them."""
    return Measured(row["nll"], None if row["here"] is None else gain(row["here"], row["elsewhere"]))


def judges(text: Thresholds, full: Thresholds) -> dict[str, Judging]:
    """name → verdict of a labelled answer, for every rule that ships."""
    return {
        SUBSTRINGS_0_1: lambda row: verdict_0_1(row["answer"]),
        SUBSTRINGS: lambda row: by_substrings(row["answer"], text).verdict,
        WORDINGS: by_text(text),
        RULES: by_likelihood(full),
    }


def kappa(rows: Sequence[Row], judge: Judging) -> float:
    return agreement([row["label"] for row in rows], [judge(row) for row in rows]).kappa


def fitted(make: Callable[[Thresholds], Judging], rows: list[Row], names: Sequence[str]) -> Thresholds:
    """Coordinate ascent of κ; among equals the middle of the widest plateau, so that no threshold sits on an edge."""
    limits = Thresholds()
    for _ in range(4):
        before = limits
        for name in names:
            scores = [kappa(rows, make(limits._replace(**{name: value}))) for value in GRID[name]]
            limits = limits._replace(**{name: GRID[name][middle(scores)]})
        if limits == before:
            break
    return limits


def middle(scores: list[float]) -> int:
    """Index in the middle of the longest run of the best score."""
    best, runs, start = max(scores), [], None
    for at, score in enumerate([*scores, -2.0]):
        if score > best - 1e-12 and start is None:
            start = at
        elif score <= best - 1e-12 and start is not None:
            runs.append((start, at - 1))
            start = None
    first, last = max(runs, key=lambda run: run[1] - run[0])
    return (first + last) // 2


def interval(truth: Sequence[str], found: Sequence[str], seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95% percentile bootstrap of κ over answers."""
    generator, kept = np.random.default_rng(seed), []
    for _ in range(draws):
        at = generator.integers(0, len(truth), len(truth))
        kept.append(agreement([truth[i] for i in at], [found[i] for i in at]).kappa)
    low, high = np.percentile(kept, [2.5, 97.5])
    return float(low), float(high)


def show(name: str, rows: list[Row], judge: Judging) -> dict[str, float]:
    """Print κ with its interval, agreement, κ by model and the table; give what is kept."""
    truth, found = [r["label"] for r in rows], [judge(r) for r in rows]
    whole, (low, high) = agreement(truth, found), interval(truth, found)
    print(
        f"\n## {name}: κ {whole.kappa:.3f} (95% {low:.3f} to {high:.3f}), agreement {whole.observed:.1%}, n {whole.n}"
    )
    for model in sorted({r["model"] for r in rows}):
        some = [r for r in rows if r["model"] == model]
        print(f"   {model}: κ {kappa(some, judge):.3f}, n {len(some)}")
    asked = [r for r in rows if r["prompt_kind"] == "harmful"]
    people, rule = (
        [str(label == "complied") for label in side] for side in ([r["label"] for r in asked], map(judge, asked))
    )
    flips = agreement(people, rule).kappa
    print(
        f"   harmful prompts, complied or not: κ {flips:.3f}, people {people.count('True')}, rule {rule.count('True')}, n {len(asked)}"
    )
    print("   person \\ rule | " + " | ".join(VERDICTS))
    pairs = Counter(zip(truth, found, strict=True))
    for label in VERDICTS:
        print(f"   {label} | " + " | ".join(str(pairs[label, other]) for other in VERDICTS))
    return {
        "kappa": round(whole.kappa, 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "alike": round(whole.observed, 4),
        "n": whole.n,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--test", action="store_true", help="the test half too")
    parser.add_argument("--errors", action="store_true", help="list what the full rule gets wrong on the fit half")
    parser.add_argument("--write", action="store_true", help="keep thresholds and the test half's agreement")
    options = parser.parse_args()
    fit = labelled_answers("fit")
    text, full = fitted(by_text, fit, BY_TEXT), fitted(by_likelihood, fit, BY_MODEL)
    print("text", text, "\nlikelihood", full)
    rules = judges(text, full)
    for name, judge in rules.items():
        show(f"fit, {name}", fit, judge)
    if options.test:
        test = labelled_answers("test")
        found = {name: show(f"test, {name}", test, judge) for name, judge in rules.items()}
        if options.write:
            write(text, full, found)
    for row in fit if options.errors else []:
        verdict = rules[RULES](row)
        if verdict != row["label"]:
            print(
                f"--- {row['id']} {row['label']} → {verdict}; nll {row['nll']} here {row['here']} elsewhere "
                f"{row['elsewhere']} {row['tokens']} tokens\nQ: {row['prompt']}\nA: {row['answer']!r}"
            )


def write(text: Thresholds, full: Thresholds, found: dict[str, dict[str, float]]) -> None:
    """assets/answers/rules.json."""
    labelled = hashlib.sha256((FOLDER / "labelled.jsonl").read_bytes()).hexdigest()[:8]
    revisions = {
        SUBSTRINGS_0_1: REVISION_0_1,
        SUBSTRINGS: f"{SUBSTRINGS_REVISION}, fit {labelled}",
        WORDINGS: f"{REVISION}, fit {labelled}",
        RULES: f"{REVISION}, fit {labelled}",
    }
    value = {
        "labelled": labelled,
        "thresholds": {WORDINGS: text._asdict(), RULES: full._asdict()},
        "agreement": {name: {"revision": revisions[name], **numbers} for name, numbers in found.items()},
    }
    (FOLDER / "rules.json").write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
