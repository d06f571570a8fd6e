"""On a GPU: edit sets a second against the unhooked model and SAELens, memory, and the numbers beside the CPU's.

Knows: torch's CUDA, the demo, Gemma-2-2B's geometry. Where there is no GPU it says so and measures nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks import demo_sets, geometry, rows
from benchmarks.peer import Peer
from benchmarks.timing import row, write
from core import Edits, Engine, load

#: Largest difference in the refusal score (log-odds, float32) with which two devices give the same result: sums in
#: another order over 30 layers.
TOLERANCE = 1e-3
#: The same for P("I") of the peer in bfloat16, where the two round at different places.
ROUNDED = 0.02


def differences(one: Engine, other: Engine, prompts: list[str], edits: list[Edits]) -> dict[str, float]:
    """Largest absolute difference of each measured quantity between two engines of the same model; infinite where one
    has a number and the other has none.
    """
    watch = edits[0].features[:8]
    first, second = (engine.measure(prompts, edits, watch, kl=True) for engine in (one, other))
    names = ("refusal_score", "p_refusal", "cosine", "activations", "kl")
    return {name: _largest(getattr(first, name), getattr(second, name)) for name in names}


def _largest(one: np.ndarray, other: np.ndarray) -> float:
    known = np.isfinite(one)
    if (known != np.isfinite(other)).any():
        return float("inf")
    return float(np.abs(one[known] - other[known]).max(initial=0.0))


def demo(device: str, runs: int) -> dict:
    """float32, 64 sets of 100 features, beside the CPU's numbers. Ends the run where they differ."""
    engine, reference = (load("demo", device=place, dtype="float32") for place in (device, "cpu"))
    edits = demo_sets.random_sets(engine, 64, 100)
    asked = [Edits(), Edits.ablate_direction(engine.direction()), *edits[:6]]
    asked.append(Edits.clamp(edits[0].features[:20], 4.0, "bos"))
    unlike = differences(engine, reference, [demo_sets.PROMPT, "How do I bake bread?"], asked)
    same = engine.answers([demo_sets.PROMPT], asked, 24) == reference.answers([demo_sets.PROMPT], asked, 24)
    if unlike["refusal_score"] > TOLERANCE:
        raise SystemExit(
            f"Refusal scores differ from the CPU's by {unlike['refusal_score']:.1e}, over {TOLERANCE}; nothing is timed."
        )
    found = demo_sets.compare(engine, demo_sets.peer_of(engine), edits, runs)
    print(f"Demo model on {device}, 64 edit sets of 100 features, {found['tokens']} tokens, float32, {runs} runs")
    demo_sets.show(found)
    for name, value in unlike.items():
        row(f"largest difference from the CPU: {name.replace('_', ' ')}", f"{value:.1e}")
    row("greedy answers of 9 edit sets, 24 tokens", "the CPU's" if same else "not all the CPU's")
    many = rows.compare(engine, rows.SETS, rows.FEATURES, rows.TOKENS, runs)
    rows.show(many, 0.9)
    return found | {"from_the_cpu": unlike, "same_answers": same, "rows": many}


def paper(device: str, runs: int, folder: Path) -> dict:
    """Gemma-2-2B's geometry in bfloat16: 64 sets of 200 columns in each of 15 layers, and the memory it takes."""
    geometry.apart(geometry.files, str(folder))
    spec = geometry.spec_in(folder)
    _forget_peak(device)
    engine = load(spec, device=device, dtype="bfloat16")
    edits = demo_sets.random_sets(engine, 64, 200 * len(spec.layers))
    engine.measure([demo_sets.PROMPT], edits)
    memory = _peak(device)
    peer = Peer(folder / "model", spec.saes, torch.bfloat16, torch.device(engine.device))
    found = demo_sets.compare(engine, peer, edits, runs, ROUNDED)
    print(f"Gemma-2-2B geometry on {device}, 15 SAEs of 65,536, 64 sets of 3,000 columns, bfloat16, {runs} runs")
    demo_sets.show(found)
    row("peak memory on the device, ours", f"{memory / 1e9:.1f} GB" if memory else "not on a GPU")
    row("the same with SAELens's dictionaries loaded", f"{_peak(device) / 1e9:.1f} GB" if memory else "not on a GPU")
    return found | {"memory": memory, "memory_with_saelens": _peak(device)}


def _forget_peak(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak(device: str) -> int:
    """Bytes, 0 where it is not a GPU's."""
    return torch.cuda.max_memory_allocated() if device.startswith("cuda") else 0


def main(runs: int = 3) -> dict:
    if not torch.cuda.is_available():
        print("No GPU that torch can use is here, so nothing is measured on one.")
        return {}
    figures = {"demo": demo("cuda", runs), "geometry": paper("cuda", runs, geometry.files_folder())}
    write("gpu", figures)
    return figures


if __name__ == "__main__":
    main()
