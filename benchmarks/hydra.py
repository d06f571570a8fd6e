"""Hydra on the demo: a refresh, leaving one out of 100, and the BOS view, each against what it is measured by."""

from __future__ import annotations

import torch

from benchmarks.demo_sets import PROMPT
from benchmarks.timing import interleaved, median, ratios, row, write
from core import Edits, Engine, Feature, load
from core.edits.feature_sets import top_per_layer
from core.hydra import bos_baseline, bos_view, leave_one_out, refresh
from core.measures.features import residuals
from core.saes.columns import activations


class FullEncode:
    """Every SAE over one prompt, whole dictionaries already in memory: what one full encode of each layer costs."""

    def __init__(self, engine: Engine, prompt: str) -> None:
        found = residuals(engine.runtime, engine.prompt(prompt), Edits())
        saes = engine.runtime.dictionaries
        self.parts = [(x, saes[n].columns(range(saes[n].d_sae)), saes[n].input_bias) for n, x in found.items()]

    @torch.inference_mode()
    def __call__(self) -> int:
        return sum(int((activations(*part) > 0).sum()) for part in self.parts)


def main(runs: int = 5, per_layer: int = 10) -> dict:
    engine = load("demo", device="cpu", dtype="float32")
    edits = Edits.ablate(top_per_layer(engine.alignment(), per_layer))
    ids = torch.tensor([engine.prompt(PROMPT).ids])
    woken = refresh(engine, PROMPT, edits).woken
    watched = [Feature(*pair) for pair in woken[["layer", "index"]].head(50).to_numpy().tolist()]
    features, baseline = len(edits.features), bos_baseline(engine)

    @torch.inference_mode()
    def unhooked(rows: int):
        return engine.model(ids.expand(rows, -1), use_cache=False).logits

    seconds = interleaved(
        {
            "refresh": lambda: refresh(engine, PROMPT, edits),
            "two unhooked forwards": lambda: (unhooked(1), unhooked(1)),
            "full encode": FullEncode(engine, PROMPT),
            "BOS view": lambda: bos_view(engine, edits, baseline=baseline),
            "BOS view without its baseline": lambda: bos_view(engine, edits),
            "leave one out": lambda: leave_one_out(engine, PROMPT, edits, watched),
            "unhooked batch": lambda: unhooked(features),
        },
        runs,
    )
    budget = [a + b for a, b in zip(seconds["two unhooked forwards"], seconds["full encode"], strict=True)]
    refreshed = ratios(seconds["refresh"], budget)
    left = ratios(seconds["leave one out"], seconds["unhooked batch"])
    bos = ratios(seconds["refresh"], seconds["BOS view"])
    whole = ratios(seconds["refresh"], seconds["BOS view without its baseline"])
    print(
        f"Demo model, {features} features ablated, {ids.shape[1]} tokens, {len(woken)} woken, "
        f"{len(watched)} of them watched, float32, {runs} runs"
    )
    row("a refresh", f"{1000 * median(seconds['refresh']):.0f} ms")
    row(
        "against two unhooked forwards and a full encode",
        f"{refreshed[0]:.2f} ({refreshed[1]:.2f}–{refreshed[2]:.2f})",
        "asked: ≤ 2.5",
    )
    row(
        f"leaving one of {features} out, against an unhooked batch of {features}",
        f"{left[0]:.2f} ({left[1]:.2f}–{left[2]:.2f})",
        "asked: ≤ 1.2",
    )
    row("the BOS view", f"{1000 * median(seconds['BOS view']):.0f} ms")
    row("a refresh against the BOS view", f"{bos[0]:.1f} x ({bos[1]:.1f}–{bos[2]:.1f})", "asked: ≥ 10 x")
    row("the same, the unedited model run again each time", f"{whole[0]:.1f} x ({whole[1]:.1f}–{whole[2]:.1f})")
    figures = {
        "seconds": seconds,
        "features": features,
        "tokens": ids.shape[1],
        "woken": len(woken),
        "watched": len(watched),
        "refresh_against_budget": refreshed[0],
        "leave_one_out_against_batch": left[0],
        "refresh_against_bos_view": bos[0],
        "refresh_against_bos_view_without_baseline": whole[0],
    }
    write("hydra", figures)
    return figures


if __name__ == "__main__":
    main()
