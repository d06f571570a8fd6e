"""The hydra effect on a model: what wakes, whether it matters, and whether cutting the heads ends the refusal.

Knows: `core.hydra`, and which sets are tried on which prompts. Does not know: how waking is found. Prints Markdown;
means are over prompts, intervals those of `core.statistics`. Each prompt's numbers are kept in `--out FILE.jsonl` when
they are done, so the same command goes on where it was stopped.

    python scripts/hydra/heads.py --model demo --n 40 --out heads.jsonl
"""

import argparse
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from kept_rows import Row, Rows, refused_answers, texts

from core import Edits, Engine, Feature, load, statistics
from core.answers.judge import Judge
from core.answers.rule_judges import verdicts_of
from core.edits.feature_sets import features_of, random_active, top_per_layer
from core.hydra import Round, Wakening, cut_the_heads, dose, matters, refresh
from core.judges.catalogue import find_judge
from core.judges.names import USUAL
from core.measures.recovery import Gap, over_prompts
from core.prompts.references import Reference, shipped_references
from core.statistics import HEADS, holm, paired, rate

ROUNDS = 6
RULES: tuple[Literal["aligned", "all"], ...] = ("aligned", "all")
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
NAMES = {"woken": "nearest the direction", "random": "as many random active ones"}
ENDS = {"complied": "answered", "degenerate": "degenerate", "refused": "still refused"}
#: Tokens of an answer that is judged.
TOKENS = 24


class Setup(NamedTuple):
    """What is the same for every prompt. nearest: the features ablated. benign: prompts of the KL. least: see `heads`."""

    engine: Engine
    judge: Judge
    nearest: list[Feature]
    benign: list[str]
    least: float


def one_prompt(setup: Setup, prompt: str, known: Reference | None) -> Row:
    """Everything measured on one prompt, as plain values. known: a reference answer."""
    engine, nearest = setup.engine, setup.nearest
    off = Edits.ablate(nearest)
    random = Edits.ablate(random_active(engine.features(prompt), nearest, seed=0))
    found, control = refresh(engine, prompt, off), refresh(engine, prompt, random)
    verdict, beside = verdicts_of(setup.judge, [prompt] * 2, engine.answers([prompt], [off, random], TOKENS)[0])
    woken = found.woken
    groups = {f"layer {layer}": features_of(rows) for layer, rows in woken.groupby("layer")}
    groups["all"] = features_of(woken)
    frame = matters(engine, prompt, off, groups)
    rounds = {rule: heads(setup, prompt, rule) for rule in RULES}
    measured = {"woken": off, "random": random} | {rule: played[-1].edits for rule, played in rounds.items()}
    gaps = engine.recovery([known], list(measured.values()))[0] if known else []
    return {
        "woken": waking(found) | {"verdict": verdict, "set": len(nearest)},
        "random": waking(control) | {"verdict": beside, "set": len(random.features)},
        "both_wake": len(set(features_of(woken)) & set(features_of(control.woken))),
        "matters": frame.to_dict("records"),
        "heads": {rule: [told(one) for one in played] for rule, played in rounds.items()},
        "gaps": dict(zip(measured, map(list, gaps), strict=True)) if known else {},
        "dose": dose(engine, prompt, off, STRENGTHS).to_dict("records"),
    }


def waking(found: Wakening) -> Row:
    """How many woke and where."""
    woken = found.woken
    return {
        "n": len(woken),
        "bos_only": int(woken["bos_only"].sum()),
        "aligned": int((woken["cosine"] > 0.1).sum()),
        "before": found.score.before,
        "after": found.score.after,
    }


def heads(setup: Setup, prompt: str, rule: Literal["aligned", "all"]) -> list[Round]:
    """Cut too little, as many of the nearest as leave the refusal score above `least`, and go on round by round."""
    engine, nearest = setup.engine, setup.nearest
    cosine = engine.alignment().set_index(["layer", "index"])["cosine"]
    ranked = sorted(nearest, key=lambda feature: -cosine[feature])
    scores = engine.measure(prompt, [Edits.ablate(ranked[:n]) for n in range(1, len(ranked) + 1)]).refusal_score[0]
    few = max((n for n, score in enumerate(scores, start=1) if score > setup.least), default=1)
    begun = cut_the_heads(
        engine,
        prompt,
        Edits.ablate(ranked[:few]),
        rule=rule,
        benign=setup.benign,
        rounds=ROUNDS,
        tokens=TOKENS,
        judge=setup.judge,
    )
    return list(begun)


def told(one: Round) -> Row:
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


def share(found: list[Row], name: str, wanted: str) -> str:
    return str(rate(sum(one[name]["verdict"] == wanted for one in found), len(found)))


def report(settings: Row, found: list[Row]) -> None:
    """What the prompts have in common."""
    print(
        f"\n{settings['model']}, {settings['dtype']}: {len(found)} prompts refused unedited, answers of {TOKENS} tokens judged by "
        f"`{settings['judge']}`; the {settings['k']} features a layer nearest the direction ablated.\n"
    )
    print("### What wakes")
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
        for name, title in NAMES.items()
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
    more = mean([one["woken"]["n"] - one["random"]["n"] for one in found])
    print(f"More woken than by the random ones, paired: {more}.")
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
    cutting(found)
    print("\n### Dose")
    frame = pd.DataFrame([row for one in found for row in one["dose"]])
    rows = [
        (strength, mean(own["score"], 2), rate(int((own["score"] > 0).sum()), len(own)), mean(own["woken"]))
        for strength, own in frame.groupby("strength")
    ]
    table(["strength", "refusal score", "score above 0", "woken"], rows)
    recovery(found)


def cutting(found: list[Row]) -> None:
    """Over the prompts that the first, small set leaves refused: on the others there is nothing to cut."""
    print("\n### Cut the heads")
    rows, tests = [], []
    for rule in RULES:
        played = [one["heads"][rule] for one in found if one["heads"][rule][0]["verdict"] == "refused"]
        last, n = [one[-1] for one in played], len(played)
        own, control = ([one[key] == "complied" for one in last] for key in ("verdict", "control_verdict"))
        tests.append(paired(np.array(own), np.array(control)).p)
        rows.append(
            (
                f"{rule} ({n} of {len(found)})",
                mean([one[0]["features"] for one in played]),
                mean([one["features"] for one in last]),
                mean([one["number"] for one in last]),
                mean([one[-1]["score"] - one[0]["score"] for one in played], 2),
                mean([one[-1]["control_score"] - one[0]["control_score"] for one in played], 2),
                *(rate(sum(one["verdict"] == kind for one in last), n) for kind in ENDS),
                *(rate(sum(one["control_verdict"] == kind for one in last), n) for kind in ENDS),
                mean([one["kl"] for one in last], 2),
                mean([one["control_kl"] for one in last], 2),
            )
        )
    table(
        [
            "added (still refused with the first set)",
            "features at first",
            "at the end",
            "rounds",
            "change of the score",
            "the same, random",
            *ENDS.values(),
            *(f"random: {title}" for title in ENDS.values()),
            "benign KL, nats",
            "random: KL",
            "paired p (answered)",
            "p, Holm",
        ],
        [(*row, f"{p:.2g}", f"{corrected:.2g}") for row, p, corrected in zip(rows, tests, holm(tests), strict=True)],
    )
    print(f"\np is corrected by Holm within the family “{HEADS.name}”: {HEADS.tests}.")


def recovery(found: list[Row]) -> None:
    """How much nearer the reference answers come, over the prompts that have one."""
    answered = [one["gaps"] for one in found if one["gaps"]]
    if not answered:
        return
    print("\n### Recovery of the reference answers")
    titles = NAMES | {"aligned": "heads cut, aligned", "all": "heads cut, all that wake"}
    rows = [(title, over_prompts(Gap(*gaps[name]) for gaps in answered)) for name, title in titles.items()]
    table(["ablated", "recovery"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="a name listed by `python -m core models`")
    parser.add_argument("--prompts", type=Path, help="harmful prompts (.txt, .csv …); the model's held-out ones")
    parser.add_argument("--benign", type=Path, help="benign prompts, for the KL; the model's held-out ones")
    parser.add_argument("--n", type=int, default=40, help="refused prompts at most")
    parser.add_argument("--benign-n", type=int, default=8, help="benign prompts")
    parser.add_argument("--k", type=int, default=3, help="features a layer")
    parser.add_argument(
        "--least", type=float, default=2.0, help="cutting begins with as many as leave the refusal score above this"
    )
    parser.add_argument("--judge", default=USUAL, help="of the answers; a name listed in docs/discover.md")
    parser.add_argument("--out", type=Path, help="FILE.jsonl for the prompts' numbers")
    options = parser.parse_args()
    engine = load(options.model)
    judge = find_judge(options.judge, engine=engine)
    benign = list(texts(options.benign, engine, "benign"))[: options.benign_n]
    setup = Setup(engine, judge, top_per_layer(engine.alignment(), options.k), benign, options.least)
    settings = {
        "model": engine.spec.name,
        "dtype": engine.dtype,
        "k": options.k,
        "least": options.least,
        "judge": judge.name,
    }
    rows = Rows(options.out, settings)
    asked = refused_answers(engine, list(texts(options.prompts, engine, "harmful")), options.n, TOKENS, judge)
    known = {one.prompt: one for one in shipped_references(engine.spec.references)}
    report(settings, rows.of("heads", asked, lambda text: one_prompt(setup, text, known.get(text))))


if __name__ == "__main__":
    main()
