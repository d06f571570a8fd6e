"""Print every figure the demo's model card states: refusals, perplexity, SAE quality. Nothing is trained here.

Knows: the shipped assets through `core`, held-out prompts. `--extra FILE` counts refusals on further prompt lists.
"""

import argparse
import json
import random
from pathlib import Path

import numpy as np
import torch
from answers import answer_batch
from chats import answer_all, compose
from common import ASSETS, PROMPTS_FILE, WORK, base_model, load_prompts, shared_prefix
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


@torch.inference_mode()
def sae_quality(engine, tokens: int) -> list[dict]:
    """Per layer on held-out conversations, BOS left out: explained variance, L0, dead share, cross-entropy recovered.

    Intervals are over conversations; that of the silent features is over features.
    """
    from sae_lens import SAE

    tokenizer, model = engine.tokenizer, engine.model
    answers = answer_all(WORK, engine)
    prefix = shared_prefix(tokenizer)
    conversations = compose(tokenizer, answers, "test", tokens, 1, 320)
    rows = [torch.tensor([prefix.tolist() + ids]) for ids, _ in conversations]
    saes = {n: SAE.load_from_disk(str(path), device="cpu") for n, path in engine.spec.saes.items()}
    residual: dict[int, list[torch.Tensor]] = {n: [] for n in saes}
    mode: dict = {"layer": None, "with": None}

    def hook(layer: int):
        def run(module, args, out):
            if mode["layer"] is None:
                residual[layer].append(out[0, 1:].clone())
            elif mode["layer"] == layer:
                body = (
                    torch.zeros_like(out[:, 1:])
                    if mode["with"] == "zero"
                    else saes[layer].decode(saes[layer].encode(out[:, 1:]))
                )
                return torch.cat([out[:, :1], body], 1)
            return None

        return run

    handles = [model.model.layers[n].register_forward_hook(hook(n)) for n in saes]

    def losses() -> np.ndarray:
        """Nats of each conversation, summed over its tokens."""
        found = []
        for ids in rows:
            logits = model(ids).logits[0, len(prefix) : -1]
            found.append(float(cross_entropy(logits, ids[0, len(prefix) + 1 :], reduction="sum")))
        return np.array(found)

    clean = losses()
    counts = np.array([ids.shape[1] - len(prefix) - 1 for ids in rows])
    found = []
    for layer, sae in saes.items():
        middle = torch.cat(residual[layer]).mean(0)
        encoded = [sae.encode(x) for x in residual[layer]]
        error = [float(((x - sae.decode(f)) ** 2).sum()) for x, f in zip(residual[layer], encoded, strict=True)]
        variance = [float(((x - middle) ** 2).sum()) for x in residual[layer]]
        fired = sum((f > 0).any(0) for f in encoded) > 0
        mode.update(layer=layer, **{"with": "sae"})
        spliced = losses()
        mode["with"] = "zero"
        zero = losses()
        mode["layer"] = None
        unexplained = statistics.ratio(error, variance)
        explained = statistics.Estimate(1 - unexplained.value, unexplained.n, 1 - unexplained.high, 1 - unexplained.low)
        parts = {
            "explained_variance": explained,
            "l0": statistics.ratio([int((f > 0).sum()) for f in encoded], [len(f) for f in encoded]),
            "dead": statistics.rate(int((~fired).sum()), len(fired)),
            "ce_recovered": statistics.ratio(zero - spliced, zero - clean),
        }
        one = {"layer": layer, **{name: part._asdict() for name, part in parts.items()}}
        one |= {
            "ce": [float(part.sum() / counts.sum()) for part in (clean, spliced, zero)],
            "tokens": sum(map(len, encoded)),
            "conversations": len(rows),
        }
        found.append(one)
        told = ", ".join(f"{name.replace('_', ' ')} {part}" for name, part in parts.items())
        print(f"SAE layer {layer:2d}: {told} ({one['tokens']} tokens)", flush=True)
    for handle in handles:
        handle.remove()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--extra", type=Path, nargs="*", default=[])
    parser.add_argument("--most", type=int, default=300, help="prompts taken at most from an extra list, seed 0")
    parser.add_argument("--tokens", type=int, default=12_000, help="held-out content tokens for the SAE figures")
    parser.add_argument("--parts", default="refusals,perplexity,saes")
    options = parser.parse_args()
    engine, parts = load("demo"), options.parts.split(",")
    path = ASSETS / "figures.json"
    figures = json.loads(path.read_text()) if path.exists() else {}
    if "refusals" in parts:
        figures["refusals"] = refusals(engine, options.extra, options.most)
    if "perplexity" in parts:
        figures["perplexity"] = perplexity(engine)
    if "saes" in parts:
        figures["saes"] = sae_quality(engine, options.tokens)
    path.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
