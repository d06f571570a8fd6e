"""Print the figures of refusals and perplexity that the demo's model card states. Nothing is trained here.

Knows: the shipped assets through `core`, held-out prompts. `--extra FILE` counts refusals on further prompt lists.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from answers import answer_batch
from common import ASSETS, PROMPTS_FILE, base_model, load_prompts
from torch.nn.functional import cross_entropy

from core import Edits, load, statistics
from core.answers.rule_judges import verdicts_of


def rate(hits: int, n: int) -> dict:
    """A rate with its n and 95% Wilson interval."""
    return statistics.rate(hits, n)._asdict()


def show(name: str, r: dict) -> None:
    print(f"{name:42s} {r['rate']:6.1%}  n={r['n']:<4d} 95% CI {r['low']:.1%}–{r['high']:.1%}", flush=True)


def refusals(engine, extra: list[Path], most: int) -> dict:
    """Verdict rates from 24-token answers, on the test split and on the extra lists."""
    prompts = load_prompts(PROMPTS_FILE)
    sets = {
        f"test {k}": [p.text for p in prompts if p.split == "test" and p.kind == k]
        for k in ("harmful", "lookalike", "benign")
    }
    for path in extra:
        lines = [line.strip() for line in path.read_text().splitlines() if line.strip()]
        sets[path.stem] = random.Random(0).sample(lines, most) if len(lines) > most else lines
    found = {}
    for name, texts in sets.items():
        verdicts = verdicts_of(engine.judge, texts, [a for (a,) in engine.answers(texts, [Edits()], 24)])
        found[name] = rate(verdicts.count("refused"), len(texts))
        found[name]["degenerate"] = rate(verdicts.count("degenerate"), len(texts))
        show(f"refused, {name}", found[name])
        show(f"degenerate, {name}", found[name]["degenerate"])
    return found


@torch.inference_mode()
def perplexity(engine, most: int = 100) -> dict:
    """Perplexity of the base model's own greedy answers to held-out benign prompts, under base and tuned model."""
    model, tokenizer = base_model()
    texts = sorted((p.text for p in load_prompts(PROMPTS_FILE) if p.split == "test" and p.kind == "benign"), key=len)[
        :most
    ]
    losses = {"base": [], "tuned": []}  # nats, summed over each answer
    counts = []
    for start in range(0, len(texts), 50):
        part = texts[start : start + 50]
        for text, answer in zip(part, answer_batch(model, tokenizer, part), strict=True):
            prompt = list(engine.prompt(text).ids)
            ids = torch.tensor([prompt + answer["ids"].tolist()])
            counts.append(len(answer["ids"]))
            for name, which in (("base", model), ("tuned", engine.model)):
                logits = which(ids).logits[0, len(prompt) - 1 : -1]
                losses[name].append(float(cross_entropy(logits, ids[0, len(prompt) :], reduction="sum")))
    tokens, n = sum(counts), len(texts)
    apart = np.array(losses["tuned"]) - np.array(losses["base"])
    each = {name: statistics.ratio(nats, counts) for name, nats in (*losses.items(), ("ratio", apart))}
    found = {
        name: {"value": np.exp(one.value), "n": n, "low": np.exp(one.low), "high": np.exp(one.high)}
        for name, one in each.items()
    } | {"tokens": tokens, "prompts": n}
    told = ", ".join(f"{name} {statistics.Estimate(**found[name]).text('.3f')}" for name in each)
    print(f"perplexity of the base's benign answers: {told} ({tokens} tokens)")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", type=Path, nargs="*", default=[])
    parser.add_argument("--most", type=int, default=300, help="prompts taken at most from an extra list, seed 0")
    parser.add_argument("--parts", default="refusals,perplexity")
    options = parser.parse_args()
    engine, parts = load("demo"), options.parts.split(",")
    path = ASSETS / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    if "refusals" in parts:
        figures["refusals"] = refusals(engine, options.extra, options.most)
    if "perplexity" in parts:
        figures["perplexity"] = perplexity(engine)
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
