"""Measure the hydra effect on the demo: what wakes, whether it matters, and whether cutting the heads ends the refusal.

Knows: `core.hydra`, and which prompts and sets are tried. Does not know: how waking is found. Each prompt's results are
kept when they are done, so the same command goes on where it was stopped. Prints Markdown; means are over prompts.
Intervals are those of `core.statistics`.
"""

import argparse
import json
import sys
import time

import numpy as np
import pandas as pd
from common import PROMPTS_FILE, WORK, load_prompts

from core import Edits, Engine, Feature, load, statistics
from core.answers.rule_judges import verdicts_of
from core.edits.feature_sets import features_of, random_active, top_per_layer
from core.hydra import Round, Wakening, cut_the_heads, dose, matters, refresh
from core.prompts.shipped import held_out
from core.statistics import HEADS, holm, paired, rate

PER_LAYER = 3
#: Cutting begins where this much of the refusal score still stands, as in the page's tour.
STILL_REFUSES = 2.0
ROUNDS = 6
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)


def one_prompt(engine: Engine, prompt: str, nearest: list[Feature], benign: list[str]) -> dict:
    """Everything measured on one prompt, as plain values."""
    off = Edits.ablate(nearest)
    random = Edits.ablate(random_active(engine.features(prompt), nearest, seed=0))
    found, control = refresh(engine, prompt, off), refresh(engine, prompt, random)
    verdict, beside = verdicts_of(engine.judge, [prompt] * 2, engine.answers([prompt], [off, random], 24)[0])
    woken = found.woken
    groups = {f"layer {layer}": features_of(rows) for layer, rows in woken.groupby("layer")}
    groups["all"] = features_of(woken)
    frame = matters(engine, prompt, off, groups)
    return {
        "prompt": prompt,
        "woken": waking(found) | {"verdict": verdict, "set": len(nearest)},
        "random": waking(control) | {"verdict": beside, "set": len(random.features)},
        "both_wake": len(set(features_of(woken)) & set(features_of(control.woken))),
        "matters": frame.to_dict("records"),
        "heads": {rule: heads(engine, prompt, nearest, rule, benign) for rule in ("aligned", "all")},
        "dose": dose(engine, prompt, off, STRENGTHS).to_dict("records"),
    }


def waking(found: Wakening) -> dict:
    """How many woke and where."""
    woken = found.woken
    return {
        "n": len(woken),
        "bos_only": int(woken["bos_only"].sum()),
        "aligned": int((woken["cosine"] > 0.1).sum()),
        "before": found.score.before,
        "after": found.score.after,
    }


def heads(engine: Engine, prompt: str, nearest: list[Feature], rule: str, benign: list[str]) -> list[dict]:
    """Cut too little, as many of the nearest as leave a refusal, and go on round by round."""
    cosine = engine.alignment().set_index(["layer", "index"])["cosine"]
    ranked = sorted(nearest, key=lambda feature: -cosine[feature])
    scores = engine.measure(prompt, [Edits.ablate(ranked[:n]) for n in range(1, len(ranked) + 1)]).refusal_score[0]
    few = max((n for n, score in enumerate(scores, start=1) if score > STILL_REFUSES), default=1)
    begun = cut_the_heads(engine, prompt, Edits.ablate(ranked[:few]), rule=rule, benign=benign, rounds=ROUNDS)
    return [told(one) for one in begun]


def told(one: Round) -> dict:
    """A round without its tables."""
    return {
        "number": one.number,
        "features": len(one.edits.features),
        "woken": len(one.woken),
        "score": one.score,
        "verdict": one.verdict,
        "kl": one.kl,
        "control": one.control_features,
        "control_score": one.control_score,
        "control_verdict": one.control_verdict,
        "control_kl": one.control_kl,
        "ended": one.ended,
    }


def mean(values: list[float], digits: int = 1) -> str:
    """A mean with its interval and n."""
    return statistics.mean(values).text(f".{digits}f")


def table(columns: list[str], rows: list[tuple]) -> None:
    print("\n| " + " | ".join(columns) + " |\n" + "| --- " * len(columns) + "|")
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def share(found: list[dict], name: str, wanted: str) -> str:
    return str(rate(sum(one[name]["verdict"] == wanted for one in found), len(found)))


def report(found: list[dict]) -> None:
    """What the prompts have in common."""
    n = len(found)
    print(f"\n{n} held-out harmful prompts that are refused unedited; top-{PER_LAYER} per layer ablated.\n")
    print("### What wakes")
    names = {"woken": "nearest the direction", "random": "as many random active ones"}
    rows = [
        (
            title,
            mean([one[name]["set"] for one in found]),
            mean([one[name]["n"] for one in found]),
            mean([one[name]["bos_only"] for one in found]),
            mean([one[name]["aligned"] for one in found]),
            mean([one[name]["after"] - one[name]["before"] for one in found], 2),
            share(found, name, "complied"),
        )
        for name, title in names.items()
    ]
    table(
        [
            "ablated",
            "features",
            "woken",
            "of them at BOS only",
            "of them with a cosine over 0.1",
            "change of the refusal score",
            "answered",
        ],
        rows,
    )
    print(f"\nWoken by both: {mean([one['both_wake'] for one in found])} features a prompt.")
    print("\n### Do the woken features matter?")
    frame = pd.DataFrame([row | {"prompt": i} for i, one in enumerate(found) for row in one["matters"]])
    frame["by_chance"] = frame["control"] - frame["score"]
    rows = []
    order = sorted(frame["group"].unique(), key=lambda name: int(name.removeprefix("layer ")) if name != "all" else 99)
    for group in order:
        own = frame[frame["group"] == group]
        beyond = own["difference"] - own["by_chance"]
        rows.append(
            (
                group,
                len(own),
                mean(own["features"]),
                mean(own["difference"], 2),
                mean(own["by_chance"], 2),
                mean(beyond, 2),
            )
        )
    table(
        ["also ablated", "prompts", "features", "change of the refusal score", "the same, random", "difference"], rows
    )
    print("\n### Cut the heads")
    rows, tests = [], []
    for rule in ("aligned", "all"):
        last = [one["heads"][rule][-1] for one in found]
        own, control = ([one[key] == "complied" for one in last] for key in ("verdict", "control_verdict"))
        tests.append(paired(np.array(own), np.array(control)).p)
        rows.append(
            (
                rule,
                mean([one["heads"][rule][0]["features"] for one in found]),
                mean([one["features"] for one in last]),
                mean([one["number"] for one in last]),
                rate(sum(own), n),
                rate(sum(one["verdict"] == "degenerate" for one in last), n),
                rate(sum(one["verdict"] == "refused" for one in last), n),
                rate(sum(control), n),
                rate(sum(one["control_verdict"] == "degenerate" for one in last), n),
                mean([one["kl"] for one in last], 2),
                mean([one["control_kl"] for one in last], 2),
            )
        )
    table(
        [
            "added",
            "features at first",
            "at the end",
            "rounds",
            "answered",
            "degenerate",
            "still refused",
            "control answered",
            "control degenerate",
            "benign KL, nats",
            "control",
            "paired p (answered)",
            "p, Holm",
        ],
        [(*row, f"{p:.2g}", f"{corrected:.2g}") for row, p, corrected in zip(rows, tests, holm(tests), strict=True)],
    )
    print(f"\np is corrected by Holm within the family “{HEADS.name}”: {HEADS.tests}.")
    print("\n### Dose")
    frame = pd.DataFrame([row for one in found for row in one["dose"]])
    rows = [
        (strength, mean(own["score"], 2), rate(int((own["score"] > 0).sum()), len(own)), mean(own["woken"]))
        for strength, own in frame.groupby("strength")
    ]
    table(["strength", "refusal score", "score above 0", "woken"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=40, help="held-out harmful prompts")
    options = parser.parse_args()
    engine = load("demo")
    rows = load_prompts(PROMPTS_FILE)
    asked, benign = held_out(rows, "harmful")[: options.n], held_out(rows, "benign")[:8]
    verdicts = verdicts_of(engine.judge, asked, [answer for (answer,) in engine.answers(asked, [Edits()], 24)])
    refused = [text for text, verdict in zip(asked, verdicts, strict=True) if verdict == "refused"]
    nearest = top_per_layer(engine.alignment(), PER_LAYER)
    WORK.mkdir(parents=True, exist_ok=True)
    path = WORK / "hydra.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {one["prompt"]: one for one in kept}
    for prompt in refused:
        if prompt not in done:
            done[prompt] = one_prompt(engine, prompt, nearest, benign)
            with path.open("a") as file:
                file.write(json.dumps(done[prompt], default=float) + "\n")
            print(f"{time.strftime('%H:%M:%S')} {len(done)} of {len(refused)}", file=sys.stderr, flush=True)
    report([done[prompt] for prompt in refused])


if __name__ == "__main__":
    main()
