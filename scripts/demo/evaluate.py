"""Print every figure the demo's model card states: refusals, perplexity, SAE quality. Nothing is trained here.

Knows: the shipped assets through `core`, held-out prompts. `--extra FILE` counts refusals on further prompt lists.
"""

import argparse
import json
import random
from pathlib import Path

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
        found[name]["degenerate"] = verdicts.count("degenerate") / len(texts)
        show(f"refused, {name}", found[name])
    return found


@torch.inference_mode()
def perplexity(engine, most: int = 100) -> dict:
    """Perplexity of the base model's own greedy answers to held-out benign prompts, under base and tuned model."""
    model, tokenizer = base_model()
    texts = sorted((p.text for p in load_prompts(PROMPTS_FILE) if p.split == "test" and p.kind == "benign"), key=len)[
        :most
    ]
    losses = {"base": [], "tuned": []}
    count = 0
    for start in range(0, len(texts), 50):
        part = texts[start : start + 50]
        for text, answer in zip(part, answer_batch(model, tokenizer, part), strict=True):
            prompt = list(engine.prompt(text).ids)
            ids = torch.tensor([prompt + answer["ids"].tolist()])
            count += len(answer["ids"])
            for name, which in (("base", model), ("tuned", engine.model)):
                logits = which(ids).logits[0, len(prompt) - 1 : -1]
                losses[name].append(float(cross_entropy(logits, ids[0, len(prompt) :], reduction="sum")))
    base, tuned = (float(torch.tensor(losses[k]).sum() / count) for k in ("base", "tuned"))
    found = {"base": 2.718281828**base, "tuned": 2.718281828**tuned, "tokens": count, "prompts": len(texts)}
    found["ratio"] = found["tuned"] / found["base"]
    print(
        f"perplexity of the base's benign answers: base {found['base']:.3f}, tuned {found['tuned']:.3f}, ratio {found['ratio']:.3f} ({count} tokens)"
    )
    return found


@torch.inference_mode()
def sae_quality(engine, tokens: int) -> list[dict]:
    """Per layer on held-out conversations, BOS left out: explained variance, L0, dead share, cross-entropy recovered."""
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

    def loss() -> float:
        total = count = 0.0
        for ids in rows:
            logits = model(ids).logits[0, len(prefix) : -1]
            total += float(cross_entropy(logits, ids[0, len(prefix) + 1 :], reduction="sum"))
            count += ids.shape[1] - len(prefix) - 1
        return total / count

    clean = loss()
    found = []
    for layer, sae in saes.items():
        x = torch.cat(residual[layer])
        f = sae.encode(x)
        error = x - sae.decode(f)
        variance = ((x - x.mean(0)) ** 2).sum()
        mode.update(layer=layer, **{"with": "sae"})
        spliced = loss()
        mode["with"] = "zero"
        zero = loss()
        mode["layer"] = None
        one = {
            "layer": layer,
            "explained_variance": float(1 - (error**2).sum() / variance),
            "l0": float((f > 0).sum(-1).float().mean()),
            "dead": float(((f > 0).sum(0) == 0).float().mean()),
            "ce_recovered": (zero - spliced) / (zero - clean),
            "ce": [clean, spliced, zero],
            "tokens": len(x),
        }
        found.append(one)
        print(
            f"SAE layer {layer:2d}: explained variance {one['explained_variance']:.3f}, L0 {one['l0']:.1f}, silent {one['dead']:.1%}, "
            f"CE recovered {one['ce_recovered']:.3f} (clean {clean:.3f}, spliced {spliced:.3f}, zero {zero:.3f}; {len(x)} tokens)",
            flush=True,
        )
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
