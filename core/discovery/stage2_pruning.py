"""Stage 2: greedy pruning of a candidate pool to a minimal faithful set (paper, Algorithm 1 and Eq. 1).

Knows: features, blocks, thresholds, and a function that says P("I") for ablation sets. Does not know: models, prompts.

Two readings of the paper's Δ(p, K, V) = |P(C∖K) − P(C∖(K∪V))| / P(C∖K), where C is also what a rejected block leaves:
- **shrinking**, the algorithm as printed: accepting (K ← K∪V) and rejecting (C ← C∖V) leave the same next ablated set
  (C∖K)∖V. The sets therefore depend on the block order alone, never on τ, so one batch a seed serves every threshold.
- **fixed**: C inside Δ stays the whole pool, and a rejected block is only not drawn again. Each accept then changes
  what the later blocks are compared with; blocks are measured ahead, and those behind an accept once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.edits.edits import Feature
from core.errors import InputError

Interpretation = Literal["shrinking", "fixed"]
READINGS: tuple[Interpretation, ...] = ("shrinking", "fixed")
Block = tuple[Feature, ...]
#: Ablation sets → float64 [sets]: the probability of the refusal tokens with each set ablated.
Probability = Callable[[Sequence[Block]], np.ndarray]
BLOCK_SIZE = 5
THRESHOLDS = tuple(round(0.1 * n, 1) for n in range(1, 9))
SEEDS = (0, 1, 2)


@dataclass(frozen=True)
class SeedRun:
    """One seed: its blocks in the order drawn, and per threshold Δ [blocks] and the blocks kept, as features."""

    seed: int
    blocks: tuple[Block, ...]
    delta: Mapping[float, np.ndarray]
    kept: Mapping[float, frozenset[Feature]]


@dataclass(frozen=True)
class Pruning:
    """Stage 2 for one prompt. `minimal[τ]`: the features kept with every seed, sorted; `measured`: sets evaluated."""

    reading: Interpretation
    runs: tuple[SeedRun, ...]
    minimal: Mapping[float, tuple[Feature, ...]]
    measured: int


def prune(
    pool: Sequence[Feature],
    probability: Probability,
    thresholds: Sequence[float] = THRESHOLDS,
    seeds: Sequence[int] = SEEDS,
    block_size: int = BLOCK_SIZE,
    reading: Interpretation = "shrinking",
) -> Pruning:
    """Algorithm 1 for every threshold and seed. Raises InputError for a setting that makes no sense.

    `probability` is called with sets in the order of `pool`, so equal sets are equal tuples.
    """
    if block_size < 1 or not seeds or not thresholds:
        raise InputError("Pruning needs a block size of at least 1, one seed and one threshold; mend the settings.")
    if not all(0 < t < np.inf for t in thresholds):
        raise InputError(f"A threshold τ must be above 0; got {', '.join(map(str, thresholds))}.")
    if reading not in READINGS:
        raise InputError(f"“{reading}” is not a reading of Algorithm 1; choose {' or '.join(READINGS)}.")
    pool = tuple(dict.fromkeys(pool))
    counted = _Counted(probability)
    of_a_seed = _shrinking if reading == "shrinking" else _fixed
    drawn = [draw_blocks(pool, block_size, seed) for seed in seeds]
    runs = tuple(of_a_seed(pool, s, b, counted, thresholds) for s, b in zip(seeds, drawn, strict=True))
    minimal = {t: tuple(sorted(frozenset.intersection(*(r.kept[t] for r in runs)))) for t in thresholds}
    return Pruning(reading, runs, minimal, counted.sets)


def draw_blocks(pool: Sequence[Feature], block_size: int, seed: int) -> tuple[Block, ...]:
    """The random blocks V in the order drawn: a shuffle cut in pieces; a rest smaller than a block is not tried."""
    order = np.random.default_rng(seed).permutation(len(pool))
    whole = len(pool) // block_size * block_size
    return tuple(tuple(pool[i] for i in order[at : at + block_size]) for at in range(0, whole, block_size))


def relative_change(before: np.ndarray | float, after: np.ndarray | float) -> np.ndarray:
    """Eq. 1: |before − after| / before, float64; 0 where both are 0, infinite where only `before` is."""
    before, after = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before == after, 0.0, np.abs(before - after) / before)


class _Counted:
    """The probability function, counting the sets it was asked for."""

    def __init__(self, probability: Probability) -> None:
        self.probability, self.sets = probability, 0

    def __call__(self, sets: Sequence[Block]) -> np.ndarray:
        self.sets += len(sets)
        return np.asarray(self.probability(sets), dtype=np.float64)


def _without(pool: Block, gone: set[Feature]) -> Block:
    return tuple(f for f in pool if f not in gone)


def _shrinking(
    pool: Block, seed: int, blocks: tuple[Block, ...], probability: _Counted, thresholds: Sequence[float]
) -> SeedRun:
    sets, gone = [pool], set[Feature]()
    for block in blocks:
        gone.update(block)
        sets.append(_without(pool, gone))
    p = probability(sets) if blocks else np.empty(0)
    delta = relative_change(p[:-1], p[1:])
    kept = {t: frozenset(f for b, d in zip(blocks, delta, strict=True) if d >= t for f in b) for t in thresholds}
    return SeedRun(seed, blocks, dict.fromkeys(thresholds, delta), kept)


def _fixed(
    pool: Block, seed: int, blocks: tuple[Block, ...], probability: _Counted, thresholds: Sequence[float]
) -> SeedRun:
    known: dict[frozenset[Feature], float] = {}  # removed from the pool → P; thresholds meet the same sets often

    def remaining(gone: Sequence[frozenset[Feature]]) -> np.ndarray:
        new = [g for g in dict.fromkeys(gone) if g not in known]
        if new:
            known.update(zip(new, probability([_without(pool, set(g)) for g in new]), strict=True))
        return np.array([known[g] for g in gone])

    delta, kept = {}, {}
    for t in thresholds:
        accepted, found, at, ahead = frozenset[Feature](), np.zeros(len(blocks)), 0, 8
        while at < len(blocks):
            part = blocks[at : at + ahead]
            p = remaining([accepted, *(accepted | frozenset(b) for b in part)])
            d = relative_change(p[0], p[1:])
            first = next((i for i, value in enumerate(d) if value >= t), None)
            done = len(part) if first is None else first + 1
            found[at : at + done] = d[:done]
            if first is not None:
                accepted |= frozenset(part[first])
            ahead = min(2 * ahead, 64) if first is None else 8  # accepts come in runs; so do rejections
            at += done
        delta[t], kept[t] = found, accepted
    return SeedRun(seed, blocks, delta, kept)
