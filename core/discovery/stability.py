"""How much of what a run found another run finds with other SAEs of the same model: other seeds, other widths.

Paper, “Limitations”: its results depend on the SAE dictionary; SAEs of two seeds share about 30% of their features
(Paulo and Belrose 2025). Features of two SAEs are the same here where their decoder rows point the same way: in each
layer the one-to-one matching of the highest summed cosine, pairs below `LEAST_COSINE` left out.

Beside every overlap stands what chance gives: every feature found is replaced by a random one of its own SAE and layer,
first by any, then by one of the candidates that Stage 1 gave. Knows: values of two runs. Does not know: models, stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.stats import hypergeom, spearmanr

from core.discovery.tables.table import Table, estimate_columns
from core.edits.edits import Feature
from core.statistics import RESAMPLES, SEED, Estimate, mean, rate

#: Two features are the same from this cosine of their decoder rows on.
LEAST_COSINE = 0.7
#: How often chance is drawn.
DRAWS = 200


class Rows(NamedTuple):
    """Features and their decoder rows, of length 1: float32 [features, d_model]."""

    features: tuple[Feature, ...]
    decoder: np.ndarray


@dataclass(frozen=True, eq=False)
class Found:
    """What one run found. name: for people. kept: texts of the prompts that it refused and searched. flipped: those of
    them it flipped. sets: prompt → its minimal set. found: every feature of any set. candidates: Stage 1's. others:
    random features of each layer, what chance draws from.
    """

    name: str
    kept: frozenset[str]
    flipped: frozenset[str]
    sets: Mapping[str, frozenset[Feature]]
    found: Rows
    candidates: Rows
    others: Rows


def stability(runs: Sequence[Found], least_cosine: float = LEAST_COSINE) -> Table:
    """Every two runs compared, four rows each: minimal sets, features by how often, candidates, prompts."""
    rows = [row for first, second in combinations(runs, 2) for row in compare(first, second, least_cosine)]
    note = (
        f"Features of two SAEs count as the same from a decoder cosine of {least_cosine:g} on, matched one to one in "
        "each layer. Overlaps are Jaccard indices: 1 for the same, 0 for nothing in common. In “chance”, random "
        "features of the same SAE and layer stand in the place of every feature found; in “chance among candidates”, "
        f"random ones of Stage 1's candidates ({DRAWS} draws, mean and 95% range). For prompts it is what two runs "
        "that flip as many give if they do so independently; for ranks, a shuffled order. n: prompts, or "
        "pairs of matched candidates."
    )
    return Table("stability", "The same search with other SAEs", "Limitations", pd.DataFrame(rows), note)


def compare(first: Found, second: Found, least_cosine: float = LEAST_COSINE) -> list[dict[str, object]]:
    """The rows of one pair of runs."""
    both = sorted(first.sets.keys() & second.sets.keys())
    pairs = matched(first.found, second.found, least_cosine)
    chances = [_chances(first, second, both, pools, least_cosine) for pools in _pools(first, second)]
    names = {"first": first.name, "second": second.name}
    rows: list[dict[str, object]] = []
    for number, (what, overlap) in enumerate(
        (
            ("minimal set of a prompt", mean(prompt_overlaps(first.sets, second.sets, both, pairs))),
            ("features found, by how many prompts", found_overlap(first.sets, second.sets, both, pairs)),
        )
    ):
        rows.append(
            names
            | {"what": what}
            | estimate_columns("value", overlap)
            | {"n": overlap.n}
            | estimate_columns("chance", _spread([chance[number] for chance in chances[0]]))
            | estimate_columns("chance among candidates", _spread([chance[number] for chance in chances[1]]))
        )
    return [*rows, names | _flipped(first, second), names | _ranks(first, second, least_cosine)]


def matched(first: Rows, second: Rows, least_cosine: float) -> dict[Feature, Feature]:
    """Feature of the first → the one of the second that is the same; those without one are left out."""
    found = {}
    for layer in sorted({f.layer for f in first.features} & {f.layer for f in second.features}):
        mine, theirs = ([i for i, f in enumerate(rows.features) if f.layer == layer] for rows in (first, second))
        cosine = first.decoder[mine] @ second.decoder[theirs].T
        cosine = np.where(cosine >= least_cosine, cosine, 0.0)  # pairs below count for nothing, so none is bent to them
        for a, b in zip(*linear_sum_assignment(cosine, maximize=True), strict=True):
            if cosine[a, b] > 0:
                found[first.features[mine[a]]] = second.features[theirs[b]]
    return found


Sets = Mapping[str, frozenset[Feature]]


def prompt_overlaps(first: Sets, second: Sets, prompts: Sequence[str], pairs: Mapping[Feature, Feature]) -> np.ndarray:
    """float64 [prompts]: the Jaccard index of each prompt's two minimal sets."""
    found = []
    for prompt in prompts:
        shared = sum(pairs.get(feature) in second[prompt] for feature in first[prompt])
        found.append(shared / max(1, len(first[prompt]) + len(second[prompt]) - shared))
    return np.array(found, dtype=float)


def found_overlap(first: Sets, second: Sets, prompts: Sequence[str], pairs: Mapping[Feature, Feature]) -> Estimate:
    """Of all features found, each weighed by how many prompts' sets hold it: Σ min / Σ max; prompts are drawn.

    A feature that one prompt of a hundred needs counts for little, so the index does not hang on how many prompts
    there are, as that of the bare unions does.
    """
    if not prompts:
        return Estimate(np.nan, 0, np.nan, np.nan)
    holds = [_holds(sets, prompts) for sets in (first, second)]
    columns = [{feature: column for column, feature in enumerate(names)} for names, _ in holds]
    kept = [(columns[0][a], columns[1][b]) for a, b in pairs.items() if a in columns[0] and b in columns[1]]

    def index(weights: np.ndarray) -> np.ndarray:
        one, two = (weights @ table for _, table in holds)
        shared = np.zeros(len(weights))
        if kept:
            mine, theirs = map(list, zip(*kept, strict=True))
            shared = np.minimum(one[:, mine], two[:, theirs]).sum(1)
        return shared / np.maximum(1e-12, one.sum(1) + two.sum(1) - shared)

    n = len(prompts)
    value = float(index(np.ones((1, n)))[0])
    drawn = np.random.default_rng(SEED).multinomial(n, np.full(n, 1 / n), RESAMPLES).astype(float)
    low, high = np.percentile(index(drawn), [2.5, 97.5])
    return Estimate(value, n, *((float(low), float(high)) if low < high else (np.nan, np.nan)))


def _holds(sets: Sets, prompts: Sequence[str]) -> tuple[list[Feature], np.ndarray]:
    """The features of these prompts' sets, and float [prompts, features]: 1 where a set holds one."""
    names = sorted({feature for prompt in prompts for feature in sets[prompt]})
    place = {feature: column for column, feature in enumerate(names)}
    table = np.zeros((len(prompts), len(names)))
    for row, prompt in enumerate(prompts):
        table[row, [place[feature] for feature in sets[prompt]]] = 1.0
    return names, table


def _pools(first: Found, second: Found) -> list[tuple[Rows, Rows]]:
    return [(first.others, second.others), (first.candidates, second.candidates)]


def _chances(
    first: Found, second: Found, both: Sequence[str], pools: tuple[Rows, Rows], least_cosine: float
) -> list[tuple[float, float]]:
    """(minimal sets, features found) of each draw."""
    generator, found = np.random.default_rng(SEED), []
    for _ in range(DRAWS if both else 0):
        drawn, sets = [], []
        for run, pool in zip((first, second), pools, strict=True):
            places = _places(run.found.features, pool, generator)
            drawn.append(Rows(tuple(pool.features[i] for i in places), pool.decoder[places]))
            swap = dict(zip(run.found.features, drawn[-1].features, strict=True))
            sets.append({prompt: frozenset(swap[f] for f in run.sets[prompt]) for prompt in both})
        pairs = matched(drawn[0], drawn[1], least_cosine)
        overlap = found_value(sets[0], sets[1], both, pairs)
        found.append((float(prompt_overlaps(sets[0], sets[1], both, pairs).mean()), overlap))
    return found


def found_value(first: Sets, second: Sets, prompts: Sequence[str], pairs: Mapping[Feature, Feature]) -> float:
    """`found_overlap` without its interval."""
    one, two = ({f: sum(f in sets[p] for p in prompts) for s in sets.values() for f in s} for sets in (first, second))
    shared = sum(min(one[a], two[b]) for a, b in pairs.items() if a in one and b in two)
    return shared / max(1e-12, sum(one.values()) + sum(two.values()) - shared)


def _places(features: Sequence[Feature], pool: Rows, generator: np.random.Generator) -> list[int]:
    """For each feature the place in the pool of a random one of its layer, no two the same.

    The pool has at least as many of every layer: it holds all the features found, or enough of their SAE.
    """
    layers = np.array([f.layer for f in pool.features], dtype=np.int64)
    wanted = sorted({f.layer for f in features})
    left = {layer: iter(generator.permutation(np.flatnonzero(layers == layer))) for layer in wanted}
    return [int(next(left[f.layer])) for f in features]


def _spread(values: Sequence[float]) -> Estimate:
    """The mean over draws and their 95% range."""
    if not values:
        return Estimate(np.nan, 0, np.nan, np.nan)
    low, high = np.percentile(values, [2.5, 97.5])
    return Estimate(float(np.mean(values)), len(values), float(low), float(high))


def _flipped(first: Found, second: Found) -> dict[str, object]:
    """Jaccard index of the prompts flipped, of those that both runs searched; by chance: hypergeometric."""
    kept = first.kept & second.kept
    one, two = first.flipped & kept, second.flipped & kept
    shared = rate(len(one & two), len(one | two))
    index = np.arange(len(kept) + 1)
    likely = hypergeom(len(kept), len(one), len(two)).pmf(index) if kept else np.zeros(1)
    jaccard = index / np.maximum(1, len(one) + len(two) - index)
    spread = np.cumsum(likely)
    chance = Estimate(
        float((likely * jaccard).sum()),
        len(kept),
        *(float(jaccard[min(int(np.searchsorted(spread, share)), len(kept))]) for share in (0.025, 0.975)),
    )
    overlap = Estimate(shared.rate, shared.n, shared.low, shared.high)
    return (
        {"what": "prompts flipped"}
        | estimate_columns("value", overlap)
        | {"n": shared.n}
        | estimate_columns("chance", chance)
    )


def _ranks(first: Found, second: Found, least_cosine: float) -> dict[str, object]:
    """Spearman's correlation of how many prompts' sets hold a candidate, over candidates that both SAEs have."""
    pairs = matched(first.candidates, second.candidates, least_cosine)
    both = sorted(first.sets.keys() & second.sets.keys())
    counts = np.array(
        [[sum(a in first.sets[p] for p in both), sum(b in second.sets[p] for p in both)] for a, b in pairs.items()],
        dtype=float,
    ).reshape(-1, 2)
    generator, n = np.random.default_rng(SEED), len(counts)
    what = {"what": "rank of a candidate, by how many prompts"}
    if n < 3 or (np.ptp(counts, axis=0) == 0).any():
        nothing = Estimate(np.nan, n, np.nan, np.nan)
        return what | estimate_columns("value", nothing) | {"n": n} | estimate_columns("chance", nothing)
    value = float(spearmanr(*counts.T).statistic)
    drawn = []
    for rows in generator.integers(0, n, (RESAMPLES // 4, n)):
        some = counts[rows]
        if (np.ptp(some, axis=0) > 0).all():
            drawn.append(float(spearmanr(*some.T).statistic))
    low, high = np.percentile(drawn, [2.5, 97.5]) if value < 1 - 1e-12 else (np.nan, np.nan)
    shuffled = [float(spearmanr(counts[:, 0], generator.permutation(counts[:, 1])).statistic) for _ in range(DRAWS)]
    overlap = Estimate(value, n, float(low), float(high))
    return what | estimate_columns("value", overlap) | {"n": n} | estimate_columns("chance", _spread(shuffled))
