"""Tables of sets that were fixed beforehand, and of the controls matched to them.

Knows: what `core.discovery.fixed_steps` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from core.discovery.control_sets import TOLERANCE
from core.discovery.fixed_steps import CHOSEN, FIXED
from core.discovery.ledger import Ledger
from core.discovery.tables.draws import exchangeable, over_draws, set_less_draws
from core.discovery.tables.table import Table, complied, good_rows, other_columns, rate_columns
from core.statistics import CONTROLS, holm, paired, rate

CHOSEN_AFTERWARDS = "chosen afterwards, because it flips"
#: What a row of these tables ablated.
POOL, KEPT = "the K nearest features of every layer", "what Algorithm 1 leaves of them"
THE_SET, RANDOM, UNALIGNED = "the set", "random, matched", "strongest unaligned active features"


class SetsAt(NamedTuple):
    """Every refused prompt's set at one K and one τ fixed beforehand. main: whether K is Stage 1's first."""

    k: int
    tau: float
    main: bool
    sets: Sequence[Mapping[str, Any]]

    @property
    def name(self) -> str:
        return f"K = {self.k}, τ = {self.tau:g}, " + ("fixed beforehand" if self.main else "beside")

    @staticmethod
    def k_of(name: str) -> str:
        """K, out of such a name; empty for any other."""
        return name.removeprefix("K = ").partition(",")[0] if name.startswith("K = ") else ""


def sets_at(ledger: Ledger) -> Iterator[SetsAt]:
    """The main K first, then those beside it."""
    found = list(good_rows(ledger, "fixed").values())
    if found:
        main, tau = found[0]["k"], found[0]["tau"]
        for k in sorted(map(int, found[0]["sets"]), key=lambda k: (k != main, k)):
            yield SetsAt(k, tau, k == main, [value["sets"][str(k)] for value in found])


def fixed(ledger: Ledger) -> Table:
    """What every refused prompt's pool and set do at each K, at one τ."""
    rows = []
    for at in sets_at(ledger):
        sizes = [len(value["minimal"]) for value in at.sets]
        for name, key, each in ((POOL, "pool_verdict", [value["pool"] for value in at.sets]), (KEPT, "verdict", sizes)):
            rows.append(
                {
                    "sets": at.name,
                    "ablated": name,
                    **rate_columns(complied(value[key] for value in at.sets)),
                    **other_columns(value[key] for value in at.sets),
                    "features, median": float(np.median(each)),
                }
            )
    note = (
        "Nothing here was chosen because it flips: every refused prompt has its set at the same K and τ. Stage 1 "
        "raises K, and Stage 2 takes τ, by what flips. Values of K beside the first are no part of the search."
    )
    return Table("fixed", "Sets at a K and τ fixed beforehand", "Stages 1 and 2", pd.DataFrame(rows), note)


def matched(ledger: Ledger) -> Table:
    """The set fixed beforehand and the chosen one, each with its random and its strongest unaligned control."""
    found, rows = list(good_rows(ledger, "controls").values()), []
    main = next((at.name for at in sets_at(ledger)), "fixed beforehand")
    for kind, name in ((FIXED, main), (CHOSEN, f"minimal set, {CHOSEN_AFTERWARDS}")):
        some = [value[kind] for value in found if kind in value]
        if some:
            rows += _compared(some, name, tested=kind == FIXED)
    corrected = holm([row.get("p", np.nan) for row in rows])
    rows = [row | {"p, Holm": p} for row, p in zip(rows, corrected, strict=True)]
    short = sum(any(draw["short"] for draw in v[k]["draws"]) for v in found for k in (FIXED, CHOSEN) if k in v)
    note = (
        "The random control has in every layer as many features that fire on the prompt as the set, and as many that "
        "do not, and removes as much: the norm of what is ablated from the residual stream over the unedited prompt, "
        f"BOS left out, within {TOLERANCE:.0%} in each layer where the prompt has such features. “norm removed” is the "
        "control's over the set's, summed over layers, median. Rates of draws have a bootstrap interval over prompts "
        "and, within each, over draws. p tests whether the set could be one more draw (exact, two-sided), against the "
        "one unaligned set with McNemar's exact test; Algorithm 1 saw the probability of a refusal token, so a "
        "small p says that what it finds does more than equally strong features, not that any aligned feature would. "
        "“p, Holm” is corrected "
        f"within the family “{CONTROLS.name}” ({CONTROLS.tests}). A set that was chosen "
        "because it flips gets no p-value: it could not have lost."
    )
    if short:
        note += f" {short} controls have fewer features than their set, as the prompt has no more."
    title = "Controls matched by layer, count and norm removed"
    return Table("controls", title, "Comparison with random features", pd.DataFrame(rows), note)


def _compared(some: Sequence[Mapping[str, Any]], name: str, tested: bool) -> list[dict[str, Any]]:
    """Three rows: the set, its random draws, its strongest unaligned control."""
    of_set = np.array([value["verdict"] == "complied" for value in some])
    draws = np.array([[draw["verdict"] == "complied" for draw in value["draws"]] for value in some])
    strongest = np.array([value["strongest"]["verdict"] == "complied" for value in some])
    every = [draw for value in some for draw in value["draws"]]
    random, less = over_draws(draws), set_less_draws(of_set, draws)
    less_strongest = set_less_draws(of_set, strongest[:, None])
    return [
        {
            "set": name,
            "ablated": THE_SET,
            **rate_columns(rate(int(of_set.sum()), len(of_set))),
            **_others(some),
            "draws": 1,
        },
        {
            "set": name,
            "ablated": RANDOM,
            "flipped": int(draws.sum()),
            "n": draws.size,
            "rate": random.value,
            "low": random.low,
            "high": random.high,
            **_others(every),
            "draws": draws.shape[1],
            **_removed(every),
            **_difference(less.value, less.low, less.high),
            "p": exchangeable(of_set, draws) if tested else np.nan,
        },
        {
            "set": name,
            "ablated": UNALIGNED,
            **rate_columns(rate(int(strongest.sum()), len(strongest))),
            **_others([value["strongest"] for value in some]),
            "draws": 1,
            **_removed([value["strongest"] for value in some]),
            **_difference(less_strongest.value, less_strongest.low, less_strongest.high),
            "p": paired(of_set, strongest).p if tested else np.nan,
        },
    ]


def _others(judged: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """How many still refuse, and how many do neither: a control that babbles does not flip either."""
    verdicts = [one["verdict"] for one in judged]
    return {"still refused": verdicts.count("refused"), **other_columns(verdicts)}


def _difference(value: float, low: float, high: float) -> dict[str, float]:
    return {"rate, set less control": value, "low, difference": low, "high, difference": high}


def _removed(controls: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    removed = [control["removed"] for control in controls if control["removed"] is not None]
    return {
        "norm removed": float(np.median(removed)) if removed else None,
        "matched": sum(bool(control["matched"]) for control in controls),
        "of": len(controls),
    }
