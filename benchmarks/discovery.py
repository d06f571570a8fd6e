"""The search: Stage 2 against the literal algorithm, the factorization machine against a dense one, a whole run.

Knows: the demo, the peer, the runner. What is measured on a part and scaled says so in its line.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.demo_sets import PROMPT, peer_of
from benchmarks.honest import last_logits
from benchmarks.timing import interleaved, median, row, write
from cache.store.database import Store
from cache.store.runs import Runs
from core import Edits, Engine, Feature, load
from core.discovery.context import Inputs
from core.discovery.runner import run_steps
from core.discovery.settings import Settings
from core.discovery.stage2_pruning import SEEDS, THRESHOLDS, draw_blocks, prune
from core.discovery.stage3_factorization import SparseRows, Split, fit, split_rows
from core.edits.feature_sets import top_per_layer
from core.prompts.shipped import held_out, plain_texts, read_shipped

POOL, BLOCK = 500, 5


def stage_two(runs: int) -> dict:
    """One prompt, a pool of 500, 3 seeds, 8 thresholds. The literal code asks for two probabilities a block."""
    engine = load("demo", device="cpu", dtype="float32")
    layers = len(engine.spec.layers)
    pool = tuple(top_per_layer(engine.alignment(), -(-POOL // layers)))[:POOL]
    ids = torch.tensor([engine.prompt(PROMPT).ids])
    peer = peer_of(engine)
    blocks = draw_blocks(pool, BLOCK, 0)
    every = 2 * len(blocks) * len(SEEDS) * len(THRESHOLDS)
    once = (len(blocks) + 1) * len(SEEDS) * len(THRESHOLDS)
    part = 12

    def probability(sets):
        return engine.measure([PROMPT], [Edits.ablate(s) for s in sets]).p_refusal[0]

    def literal(forward: Callable[[Edits], object]) -> None:
        gone: set[Feature] = set()
        for block in blocks[: part // 2]:
            forward(Edits.ablate([f for f in pool if f not in gone]))
            gone |= set(block)
            forward(Edits.ablate([f for f in pool if f not in gone]))

    seconds = interleaved(
        {
            "ours": lambda: prune(pool, probability),
            "literal": lambda: literal(lambda e: engine.measure([PROMPT], [e])),
            "SAELens": lambda: literal(lambda e: peer.run(ids, e)),
        },
        runs,
    )
    ours, alone, theirs = (median(seconds[name]) for name in ("ours", "literal", "SAELens"))
    scaled = {
        n: (alone / part * count / ours, theirs / part * count / ours) for n, count in (("two", every), ("one", once))
    }
    print(
        f"Stage 2, one prompt of {ids.shape[1]} tokens, pool {POOL}, {len(SEEDS)} seeds, {len(THRESHOLDS)} thresholds, {runs} runs"
    )
    row("ours, whole", f"{ours:.1f} s")
    row(f"against the literal code, {every} forwards, from {part}", f"{scaled['two'][0]:.0f} x", "asked: ≥ 20 x")
    row(f"the same remembering P(C∖K), {once} forwards", f"{scaled['one'][0]:.0f} x")
    row(f"against SAELens, literal code, {every} forwards, from {part}", f"{scaled['two'][1]:.0f} x", "asked: ≥ 40 x")
    row(f"the same remembering P(C∖K), {once} forwards", f"{scaled['one'][1]:.0f} x")
    return {
        "seconds": seconds,
        "literal": scaled["two"][0],
        "literal_remembering": scaled["one"][0],
        "saelens": scaled["two"][1],
        "saelens_remembering": scaled["one"][1],
    }


class DenseMachine(nn.Module):
    """The same machine on dense rows, as one would write it in torch."""

    def __init__(self, columns: int, size: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))
        self.weight = nn.Parameter(torch.zeros(columns))
        self.embedding = nn.Parameter(torch.randn(columns, size, generator=torch.Generator().manual_seed(0)) * 0.01)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        pairs = (x @ self.embedding) ** 2 - x**2 @ self.embedding**2
        return self.bias + x @ self.weight + 0.5 * pairs.sum(-1)


def planted(rows: int, columns: int, active: int, seed: int = 0) -> tuple[SparseRows, np.ndarray]:
    """Rows of `active` columns, common ones first (as features are), whose label some of them carry."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % 2
    found = []
    for label in labels:
        chosen = np.unique((columns * rng.random(active) ** 4).astype(np.int64))
        told = rng.choice(200, 12, replace=False) + (columns // 2 if label else columns // 2 + 200)
        chosen = np.unique(np.concatenate([chosen, told]))
        found.append((chosen.tolist(), rng.random(len(chosen)).tolist()))
    return SparseRows.from_lists(found), labels


def machine(runs: int, rows: int = 400, columns: int = 200_000, active: int = 600, epochs: int = 3) -> dict:
    """Training at 200k features, the same data, order, batches and epochs."""
    data, labels = planted(rows, columns, active)
    split = split_rows(labels, 0)
    accuracy: dict[str, float] = {}

    def ours() -> None:
        fitted = fit(data, labels, split, epochs=epochs)
        accuracy["ours"] = float(((fitted.score > 0) == (labels[split.test] > 0)).mean())

    def dense() -> None:
        accuracy["dense"] = _fit_dense(data, labels, split, columns, epochs)

    seconds = interleaved({"ours": ours, "dense": dense}, runs, warmup=0)
    faster = median(seconds["dense"]) / median(seconds["ours"])
    print(f"Factorization machine, {columns:,} features, {rows} rows, {epochs} epochs, embeddings of 20, {runs} runs")
    row("against a dense torch machine", f"{faster:.1f} x", "asked: ≥ 5 x")
    row("test accuracy, ours and dense", f"{accuracy['ours']:.3f} and {accuracy['dense']:.3f}")
    return {"seconds": seconds, "faster": faster, "accuracy": accuracy}


def _fit_dense(data: SparseRows, labels: np.ndarray, split: Split, columns: int, epochs: int) -> float:
    model = DenseMachine(columns, 20)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    target, rng = torch.from_numpy(labels.astype(np.float32)), np.random.default_rng(0)

    def rows(which: np.ndarray) -> torch.Tensor:
        some = data.take(which)
        x = torch.zeros(len(which), columns)
        x[np.repeat(np.arange(len(which)), np.diff(some.offset)), some.column] = torch.from_numpy(some.value)
        return x

    for _ in range(epochs):
        order = rng.permutation(split.training)
        for start in range(0, len(order), 32):
            part = order[start : start + 32]
            optimizer.zero_grad()
            binary_cross_entropy_with_logits(model(rows(part)), target[part]).backward()
            optimizer.step()
    with torch.inference_mode():
        score = model(rows(split.test)).numpy()
    return float(((score > 0) == (labels[split.test] > 0)).mean())


def whole(prompts: int) -> dict:
    """Everything, over as many harmful and as many benign held-out prompts.

    The paper's settings but for Stage 1's first steps, as the Discover page has them for narrow dictionaries.
    """
    engine = load("demo", device="cpu", dtype="float32")
    assert engine.spec.prompts is not None
    bundled = read_shipped(engine.spec.prompts)
    inputs = Inputs(*(tuple(held_out(bundled, kind)[:prompts]) for kind in ("harmful", "benign")), tuple(plain_texts()))
    seen = [0]

    def count(module, args, output) -> None:
        hidden = output[0] if isinstance(output, tuple) else output
        seen[0] += hidden.shape[0] * hidden.shape[1]

    handle = engine.model.model.layers[-1].register_forward_hook(count)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "bench.duckdb")
        runs = Runs(store)
        settings = replace(Settings(), k_steps=(3, 5, *Settings().k_steps))
        work = runs.work(runs.create(engine, inputs, settings), engine)
        begun = time.perf_counter()
        run_steps(work)
        seconds = time.perf_counter() - begun
        store.close()
    handle.remove()
    limit = _unhooked_speed(engine, inputs)
    share = seen[0] / seconds / limit
    print(f"Whole search, {prompts} harmful and {prompts} benign prompts, all analyses")
    row("time", f"{seconds / 60:.1f} min", "asked: minutes")
    row("tokens a second", f"{seen[0] / seconds:.0f}")
    row("share of the unhooked model's", f"{share:.0%} of {limit:.0f}")
    return {"seconds": seconds, "tokens": seen[0], "unhooked_tokens_per_second": limit, "share": share}


def _unhooked_speed(engine: Engine, inputs: Inputs) -> float:
    """Tokens a second of the plain model in batches of the same budget."""
    ids = torch.tensor([engine.prompt(inputs.harmful[0]).ids])
    rows = max(1, Settings().tokens_per_forward // ids.shape[1])
    batch = ids.expand(rows, -1)

    @torch.inference_mode()
    def forward() -> object:
        return last_logits(engine.model, batch, use_cache=False)

    return batch.numel() / median(interleaved({"unhooked": forward}, 5)["unhooked"])


def main(runs: int = 3, prompts: int = 40) -> dict:
    figures = {"stage_two": stage_two(runs), "machine": machine(runs), "whole": whole(prompts)}
    write("discovery", figures)
    return figures


if __name__ == "__main__":
    main()
