"""Steps of a run over sets that were not chosen because they flip, and the controls of both kinds of set.

Knows: sets at a K and τ fixed beforehand, control sets, verdicts. Does not know: tables (`core.discovery.tables`).
Stage 1 raises K until a prompt flips, and a “minimal set” is taken at the τ that serves best: both are chosen for what
they are then praised for. Here every refused prompt has its set at the first K and one τ, whatever it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from core.discovery.context import Work
from core.discovery.control_sets import ActiveLayer, Control, active_layers, matched, strongest_unaligned
from core.discovery.control_steps import dormant_parts, refused_groups
from core.discovery.ledger import feature_names, features
from core.discovery.stage2_pruning import prune
from core.discovery.steps import Asked
from core.edits.edits import Edits, Feature

#: Sets that controls are made for: at the K and τ fixed beforehand, and at the τ chosen because the set flips.
FIXED, CHOSEN = "fixed", "chosen"


def fixed_groups(work: Work) -> list[list[str]]:
    """Every prompt that Stage 0 kept, unless neither controls nor other K are asked for."""
    return refused_groups(work) if work.settings.control_draws or work.settings.k_beside else []


def fixed_k(work: Work) -> list[int]:
    """Stage 1's first K, and those beside it."""
    return sorted({work.settings.k_steps[0], *work.settings.k_beside})


def do_fixed(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """For each K its pool, the set that Algorithm 1 leaves of it at the fixed τ, what both do, and the dormant part.

    K → `pool`, `pool_verdict`, `minimal`, `verdict`; where the set flips also what `dormant_parts` tells.
    """
    texts = [work.text(item) for item in group]
    asked = {k: Asked(work, texts) for k in fixed_k(work)}
    minimal = [
        {k: _stage_two(work, item, k) or _pruned(work, asked[k], row, k) for k in asked}
        for row, item in enumerate(group)
    ]
    edits = [[Edits.ablate(part) for k in asked for part in (work.pool(k), mine[k])] for mine in minimal]
    judged = work.judged(list(zip(texts, edits, strict=True)))
    values: list[dict[str, Any]] = []
    flipped: list[tuple[int, int]] = []  # which prompt's set at which K
    for row, mine in enumerate(minimal):
        verdicts, sets = iter(judged[row]), dict[str, Any]()
        for k, kept in mine.items():
            (of_pool, _), (verdict, _) = next(verdicts), next(verdicts)
            sets[str(k)] = {"pool": len(work.pool(k)), "pool_verdict": of_pool}
            sets[str(k)] |= {"minimal": feature_names(kept), "verdict": verdict}
            flipped += [(row, k)] if verdict == "complied" else []
        values.append({"k": work.settings.k_steps[0], "tau": work.settings.tau, "sets": sets})
    parts = dormant_parts(work, [(texts[row], minimal[row][k]) for row, k in flipped])
    for (row, k), part in zip(flipped, parts, strict=True):
        values[row]["sets"][str(k)] |= part
    return values


def _stage_two(work: Work, item: str, k: int) -> list[Feature] | None:
    """The same set where Stage 2 found it already; None where it did not."""
    first, pruned = work.ledger.read("candidates").get(item), work.ledger.read("pruning").get(item)
    if first is None or pruned is None or pruned.error or first.value.get("k") != k:
        return None
    return features(pruned.value["minimal"][str(work.settings.tau)])


def _pruned(work: Work, asked: Asked, row: int, k: int) -> list[Feature]:
    s = work.settings
    return list(prune(work.pool(k), asked.of(row), (s.tau,), s.seeds, s.block_size, s.reading).minimal[s.tau])


def control_groups(work: Work) -> list[list[str]]:
    """Every prompt that Stage 0 kept, unless no controls are asked for."""
    return refused_groups(work) if work.settings.control_draws else []


def do_controls(work: Work, group: Sequence[str]) -> list[dict[str, Any]]:
    """Matched random sets and the strongest unaligned one, for the set fixed beforehand and for the chosen one.

    Kind of set → `features`, `verdict` of the set, `draws` and `strongest`: verdict, removed, matched, short of each.
    """
    texts, found = [work.text(item) for item in group], []
    every, controls = [_sets(work, item) for item in group], list[dict[str, list[Control]]]()
    for item, text, sets in zip(group, texts, every, strict=True):
        layers = active_layers(work.engine, text, {f.layer for chosen, _ in sets.values() for f in chosen})
        controls.append({kind: _controls(work, item, layers, chosen) for kind, (chosen, _) in sets.items()})
    edits = [[Edits.ablate(c.features) for several in made.values() for c in several] for made in controls]
    judged = work.judged(list(zip(texts, edits, strict=True)))
    for sets, made, verdicts in zip(every, controls, map(iter, judged), strict=True):
        value: dict[str, Any] = {}
        for kind, (chosen, verdict) in sets.items():
            *draws, strongest = [_said(control, next(verdicts)[0]) for control in made[kind]]
            value[kind] = {"features": len(chosen), "verdict": verdict, "draws": draws, "strongest": strongest}
        found.append(value)
    return found


def _sets(work: Work, item: str) -> dict[str, tuple[list[Feature], str]]:
    """Kind → the prompt's set and its verdict; a kind the prompt has no set of is left out."""
    found, row = {}, work.ledger.read("fixed").get(item)
    if row is not None and not row.error:
        value = row.value["sets"][str(work.settings.k_steps[0])]
        found[FIXED] = (features(value["minimal"]), value["verdict"])
    chosen = work.minimal(item)
    if chosen:
        found[CHOSEN] = (chosen, "complied")
    return found


def _controls(work: Work, item: str, layers: dict[int, ActiveLayer], like: Sequence[Feature]) -> list[Control]:
    """The random ones, then the strongest unaligned one. Equal sets get equal controls, which are answered once."""
    number = int(item.partition("/")[2])
    draws = [
        matched(layers, like, np.random.default_rng([work.settings.seed, number, draw]))
        for draw in range(work.settings.control_draws)
    ]
    return [*draws, strongest_unaligned(layers, like, work.settings.unaligned_cosine)]


def _said(control: Control, verdict: str) -> dict[str, Any]:
    return {
        "drawn": feature_names(control.features),
        "verdict": verdict,
        "removed": control.removed,
        "matched": control.matched,
        "short": control.short,
    }
