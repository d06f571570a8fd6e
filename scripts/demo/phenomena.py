"""Measure the paper's phenomena on the demo: direction and feature ablation, random control, waking features.

Knows: the shipped assets through `core`. Prints each rate with n and its 95% Wilson interval; paper sections named.
"""

import argparse
import json

import numpy as np
from common import ASSETS, PROMPTS_FILE, load_prompts
from evaluate import rate, show
from scipy.stats import binomtest

from core import Edits, Feature, load
from core.answers.rule_judges import verdicts_of
from core.statistics import Estimate, mean, means


def flips(engine, prompts: list[str], sets: list[list[Edits]]) -> list[list[str]]:
    """Verdicts [prompt][set], 24 tokens, every prompt with its own edit sets."""
    return [judged(engine, p, engine.answers([p], s, 24)[0]) for p, s in zip(prompts, sets, strict=True)]


def judged(engine, prompt: str, answers: list[str]) -> list[str]:
    """Verdicts of several answers to one prompt."""
    return verdicts_of(engine.judge, [prompt] * len(answers), answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=60, help="held-out harmful prompts")
    parser.add_argument(
        "--k", default="5,10,20,40,80,120,160,200", help="features a layer nearest the direction (paper, Stage 1)"
    )
    parser.add_argument("--exclude", type=int, default=2, help="layers left out at the bottom (paper, Stage 1)")
    options = parser.parse_args()
    engine = load("demo")
    direction = engine.direction()
    texts = [p.text for p in load_prompts(PROMPTS_FILE) if p.split == "test" and p.kind == "harmful"][: options.n]
    unedited = verdicts_of(engine.judge, texts, [a for (a,) in engine.answers(texts, [Edits()], 24)])
    refused = [text for text, verdict in zip(texts, unedited, strict=True) if verdict == "refused"]
    print(f"{len(refused)} of {len(texts)} held-out harmful prompts are refused unedited")
    found = {"n_prompts": len(texts), "n_refused": len(refused), "direction_layer": direction.layer}
    off = Edits.ablate_direction(direction)
    outcome = verdicts_of(engine.judge, refused, [a for (a,) in engine.answers(refused, [off], 24)])
    found["direction"] = rate(outcome.count("complied"), len(refused)) | {"degenerate": outcome.count("degenerate")}
    show("direction ablated: complied", found["direction"])
    table = engine.alignment()
    table = table[table.layer >= options.exclude].sort_values("cosine", ascending=False)
    steps = [int(k) for k in options.k.split(",")]
    nearest = {
        k: [Feature(int(r.layer), int(r.index)) for r in table.groupby("layer").head(k).itertuples(name="Row")]
        for k in steps
    }
    by_k = {}
    answers = engine.answers(refused, [Edits.ablate(nearest[k]) for k in steps], 24)
    by_step = np.array([judged(engine, text, row) for text, row in zip(refused, answers, strict=True)])
    for column, k in enumerate(steps):
        by_k[k] = rate(int((by_step[:, column] == "complied").sum()), len(refused))
        by_k[k]["degenerate"] = int((by_step[:, column] == "degenerate").sum())
        show(f"top-{k} a layer ablated: complied", by_k[k])
    found["top_k"] = by_k
    first = [next((steps[c] for c in range(len(steps)) if row[c] == "complied"), None) for row in by_step]
    found["stage1"] = rate(sum(k is not None for k in first), len(refused)) | {"smallest_k": first}
    show("some K flips it (paper, Stage 1)", found["stage1"])
    rng, woken, controls, sizes = np.random.default_rng(0), [], [], []
    k = steps[0]  # fixed beforehand: at a K that was chosen because it flips, no control could win
    for text in refused:
        frame = engine.features(text)
        active = {
            Feature(int(layer), int(index)) for layer, index in frame[["layer", "index"]].drop_duplicates().to_numpy()
        }
        cut = [f for f in nearest[k] if f in active]
        pool = sorted(active - set(nearest[k]))
        size = min(len(cut), len(pool))
        random = [pool[i] for i in rng.choice(len(pool), size, replace=False)]
        both = engine.answers([text], [Edits.ablate(random), Edits.ablate(cut)], 24)[0]
        controls.append(judged(engine, text, both))
        edited = engine.features(text, Edits.ablate(nearest[k]))
        now = {
            Feature(int(layer), int(index)) for layer, index in edited[["layer", "index"]].drop_duplicates().to_numpy()
        }
        at_bos = set(map(tuple, edited[edited.position == 0][["layer", "index"]].to_numpy()))
        new = now - active
        woken.append((len(new), len([f for f in new if tuple(f) in at_bos])))
        sizes.append(size)
    control = np.array(controls)
    found["fixed_k"] = k
    found["random_active"] = rate(int((control[:, 0] == "complied").sum()), len(control)) | {
        "size": mean(sizes)._asdict()
    }
    show(f"as many random active features as of the top-{k}: complied", found["random_active"])
    found["active_only"] = rate(int((control[:, 1] == "complied").sum()), len(control))
    show(f"only the active ones of the top-{k}: complied", found["active_only"])
    better = int(((control[:, 1] == "complied") & (control[:, 0] != "complied")).sum())
    worse = int(((control[:, 1] != "complied") & (control[:, 0] == "complied")).sum())
    found["mcnemar_p"] = float(binomtest(better, max(1, better + worse)).pvalue)
    found["woken"] = {
        "each": mean([w for w, _ in woken])._asdict(),
        "prompts_with_any": rate(sum(w > 0 for w, _ in woken), len(woken)),
        "at_bos": mean([b for _, b in woken])._asdict(),
    }
    show("prompts on which a dormant feature wakes", found["woken"]["prompts_with_any"])
    each, at_bos = (Estimate(**found["woken"][name]).text(".1f") for name in ("each", "at_bos"))
    print(f"woken features a prompt: {each}, of them active at BOS {at_bos}; paired exact p = {found['mcnemar_p']:.2g}")
    benign = [p.text for p in load_prompts(PROMPTS_FILE) if p.split == "test" and p.kind == "benign"][:50]
    sets = [off, *(Edits.ablate(nearest[k]) for k in steps)]
    kl = engine.kl(benign, sets)
    costs = dict(zip(["direction", *map(str, steps)], means(kl), strict=True))
    found["kl"] = {name: one._asdict() for name, one in costs.items()}
    print("mean KL on held-out benign prompts, nats: " + ", ".join(f"{k} {v.text('.3f')}" for k, v in costs.items()))
    path = ASSETS / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    figures["phenomena"] = found
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
