"""64 edit sets of 100 features on one prompt of the demo: edit sets a second against SAELens, time against no hooks."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch

from benchmarks.honest import Yardstick, last_logits, make_resident, yardstick
from benchmarks.peer import Peer
from benchmarks.timing import interleaved, median, ratios, row, write
from core import Edits, Engine, Feature, load

PROMPT = "Explain how to pick a lock on somebody else's front door without being noticed"


def random_sets(engine: Engine, sets: int, features: int, seed: int = 0) -> list[Edits]:
    """Edit sets of `features` random features, spread evenly over the SAE layers."""
    rng, widths = np.random.default_rng(seed), engine.widths
    each = features // len(widths)
    return [
        Edits.ablate(
            [Feature(n, int(i)) for n, width in widths.items() for i in rng.choice(width, each, replace=False)]
        )
        for _ in range(sets)
    ]


def peer_of(engine: Engine) -> Peer:
    """The same weights and SAEs behind SAELens, on the same device and in the same number format."""
    with tempfile.TemporaryDirectory() as folder:
        engine.model.save_pretrained(folder)
        engine.tokenizer.save_pretrained(folder)
        return Peer(Path(folder), engine.spec.saes, getattr(torch, engine.dtype), torch.device(engine.device))


def compare(engine: Engine, peer: Peer, edits: list[Edits], runs: int, limit: float = 1e-3) -> dict:
    """Times of the same edit sets here, through the unhooked model, and behind SAELens; figures as `write` keeps them.

    limit: the largest difference in P("I") with which the two still do the same work.
    """
    ids = torch.tensor([engine.prompt(PROMPT).ids], device=engine.device)
    ours, tokens, sets = engine.measure([PROMPT], edits).p_refusal[0], list(engine.spec.refusal_tokens), len(edits)
    theirs = [float(peer.run(ids, e)[0, -1].double().softmax(-1)[tokens].sum()) for e in edits[:4]]
    worst = float(np.abs(ours[:4] - np.array(theirs)).max())
    if worst > limit:  # then the two do not do the same work, and their times mean nothing
        raise SystemExit(f"Ours and SAELens differ by {worst:.1e} in P(I); nothing is timed.")

    @torch.inference_mode()
    def unhooked():
        return engine.model(ids.expand(sets, -1), use_cache=False).logits

    @torch.inference_mode()
    def last_only():
        return last_logits(engine.model, ids.expand(sets, -1), use_cache=False)

    part = max(1, sets // 8)
    make_resident(engine.model)
    seconds = interleaved(
        {
            "ours": lambda: engine.measure([PROMPT], edits),
            "unhooked": unhooked,
            "unhooked, last logits only": last_only,
            "SAELens one a forward": lambda: [peer.run(ids, e) for e in edits[:part]],
            "SAELens 8 rows": lambda: peer.run_rows(ids, edits[:8]),
            "SAELens 32 rows": lambda: peer.run_rows(ids, edits[:32]),
        },
        runs,
    )
    rate = {
        "ours": sets / median(seconds["ours"]),
        "SAELens one a forward": part / median(seconds["SAELens one a forward"]),
        "SAELens 8 rows": 8 / median(seconds["SAELens 8 rows"]),
        "SAELens 32 rows": 32 / median(seconds["SAELens 32 rows"]),
    }
    measure = yardstick(engine.model, seconds["unhooked, last logits only"], ids.numel() * sets, sets)
    best = max(rate["SAELens 8 rows"], rate["SAELens 32 rows"], rate["SAELens one a forward"])
    return {
        "tokens": ids.shape[1],
        "seconds": seconds,
        "sets_per_second": rate,
        "against_saelens": rate["ours"] / rate["SAELens one a forward"],
        "against_saelens_best_batch": rate["ours"] / best,
        "against_unhooked": ratios(seconds["ours"], seconds["unhooked"]),
        "against_unhooked_last_logits": ratios(seconds["ours"], seconds["unhooked, last logits only"]),
        "worst_difference": worst,
        "yardstick": tuple(measure),
    }


def show(found: dict, speedup: str = "", batch: str = "") -> None:
    """The rows of the table. speedup, batch: what is asked of the two figures."""
    full, last = found["against_unhooked"], found["against_unhooked_last_logits"]
    measure = Yardstick(*found["yardstick"])
    row("the unhooked batch", measure.sentence())
    if not measure.serves:
        return
    row("edit sets a second", f"{found['sets_per_second']['ours']:.1f}")
    row("against SAELens, error term, one set a forward", f"{found['against_saelens']:.1f} x", speedup)
    row("against SAELens, error term, best batch of row masks", f"{found['against_saelens_best_batch']:.1f} x")
    row("time against the same batch unhooked", f"{full[0]:.2f} ({full[1]:.2f}–{full[2]:.2f})", batch)
    row("the same, unhooked computing last logits only", f"{last[0]:.2f} ({last[1]:.2f}–{last[2]:.2f})")
    row("largest |Δ P(I)| from SAELens, 4 sets", f"{found['worst_difference']:.1e}")


def main(runs: int = 3, sets: int = 64, features: int = 100) -> dict:
    engine = load("demo", device="cpu", dtype="float32")
    found = compare(engine, peer_of(engine), random_sets(engine, sets, features), runs)
    print(f"Demo model, {sets} edit sets of {features} features, {found['tokens']} tokens, float32, {runs} runs")
    show(found, "asked: ≥ 7 x", "asked: ≤ 1.15")
    write("demo_sets", found)
    return found


if __name__ == "__main__":
    main()
