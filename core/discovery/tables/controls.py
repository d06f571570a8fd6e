"""Tables of the paper's analyses: what fires, what wakes, the controls, and what it costs.

Knows: what `core.discovery.control_steps` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from core.discovery.analyses import where_woken
from core.discovery.ledger import Ledger
from core.discovery.tables.fixed import CHOSEN_AFTERWARDS, sets_at
from core.discovery.tables.table import Table, complied, estimate_columns, good_rows, other_columns, rate_columns
from core.statistics import MACHINE_AGAINST_PROBE, holm, mean, median, paired, rate, ratio


def inert(ledger: Ledger) -> Table:
    """Of sets that flip and hold a dormant feature: do they still flip without it? No other set could tell."""
    sets = [(at.name, at.sets) for at in sets_at(ledger)]
    chosen = list(good_rows(ledger, "inert").values())
    sets += [(f"largest τ that flips, {CHOSEN_AFTERWARDS}", chosen)] if chosen else []
    rows, notes = [], []
    for name, of_prompts in sets:
        flips = [value for value in of_prompts if "dormant" in value]
        some = [value for value in flips if value["dormant"]]
        every = {f for value in flips for f in (*value["active"], *value["dormant"])}
        never = every - {f for value in flips for f in value["active"]}
        rows.append(
            {
                "sets": name,
                "sets that flip": len(flips),
                **rate_columns(complied(value["without_dormant"] for value in some)),
                "cannot be tested on": len(flips) - len(some),
                "dormant on every such prompt": len(never),
                "features": len(every),
            }
        )
        notes.append(
            f"{name}: {len(some)} of {len(flips)} sets that flip hold a feature that does not fire on their prompt, so "
            f"this cannot be tested on {len(flips) - len(some)} prompts; {len(never)} of {len(every)} critical "
            "features fire on none of the prompts they are critical for."
        )
    note = (
        "“flipped” counts prompts that still flip with the dormant features left out of the set; n counts the prompts "
        "whose set has some. Ablating the dormant ones alone changes nothing on the prompt, and is no result. "
    )
    title = "Inert “critical” features: sets that still flip without them"
    return Table("inert", title, "Stage 3, first paragraph", pd.DataFrame(rows), note + " ".join(notes))


#: Which prompts step 2 of “Redundant Features” keeps: name of the reading → (its words, whether one is kept).
_STEP_TWO: dict[str, tuple[str, Callable[[Mapping[str, Any]], bool]]] = {
    "alone": ("as written: flipped by the dormant features alone", lambda v: v["dormant_alone"] == "complied"),
    "left out": ("no flip with the dormant features left out", lambda v: v["without_dormant"] != "complied"),
    "": ("all with dormant features", lambda v: True),
}


def redundant(ledger: Ledger) -> Table:
    sets = [(at.name, [v for v in at.sets if v.get("dormant")]) for at in sets_at(ledger) if at.main]
    chosen = [value for value in good_rows(ledger, "inert").values() if value["dormant"]]
    rows = []
    for name, some in (*sets, (f"largest τ that flips, {CHOSEN_AFTERWARDS}", chosen)):
        for reading, (words, keeps) in _STEP_TWO.items() if some else ():
            used = " (this run's reading)" if reading == some[0].get("step_two", "left out") else ""
            rows.append({"sets": name, "samples": words + used, **_wakened([v for v in some if keeps(v)], len(some))})
    note = (
        "Dormant features of the set that fire once the active ones are ablated, and on which tokens. Step 2 of the "
        "paper ablates the dormant features alone and drops samples without an impact. On the prompt such an edit "
        "changes nothing, so only tokens of the answer can make a difference. The features that fire at BOS are the "
        "same for every prompt: position 0 sees only itself, so they depend only on the edit."
    )
    return Table("redundant", "Redundant features that wake", "Redundant Features", pd.DataFrame(rows), note)


def _wakened(some: Sequence[Mapping[str, Any]], of: int) -> dict[str, Any]:
    """What wakes in these prompts' sets; `of`: prompts before step 2."""
    dormant = sum(len(value["dormant"]) for value in some)
    awake = sum(len({mark[0] for mark in value["woken"]}) for value in some)
    tally, share = where_woken((mark[0], mark[3]) for value in some for mark in value["woken"]), rate(awake, dormant)
    spans: dict[str, object] = {}
    for span in ("bos", "system", "instruction", "template"):
        here = [sum(mark[3] == span for mark in value["woken"]) for value in some]
        spans |= estimate_columns(f"share at {span}", ratio(here, [len(value["woken"]) for value in some]))
    return {
        "prompts": len(some),
        "of": of,
        "dormant": dormant,
        "woken": awake,
        "woken share": share.rate,
        "low": share.low,
        "high": share.high,
        "marks": tally.marks,
        **spans,
    }


def random(ledger: Ledger) -> Table:
    """The paper's control as written: one draw, equal in number. Matched draws are in `tables.fixed`."""
    found, minimal = good_rows(ledger, "random"), good_rows(ledger, "pruning")
    if not found:
        return Table("random", "", "", pd.DataFrame())
    first = [minimal[item]["verdicts"][minimal[item]["tau"]] for item in found]
    short = sum(len(value["drawn"]) < value["features"] for value in found.values())
    rows = [
        {"ablated": f"minimal set, {CHOSEN_AFTERWARDS}"} | rate_columns(complied(first)),
        {"ablated": "as many random active features"}
        | rate_columns(complied(value["verdict"] for value in found.values())),
    ]
    note = (
        "The paper's control as written: one draw, as many features, by layer where the prompt allows it; what they "
        "remove is not matched. Every prompt here was flipped by its minimal set, which was chosen because it does, so "
        "the two rates get no p-value."
    )
    if short:
        note += f" {short} prompts have fewer active features than their set."
    title = "Random active features, as many"
    return Table("random", title, "Comparison with random features", pd.DataFrame(rows), note)


def direction(ledger: Ledger) -> Table:
    found = [value["verdict"] for value in good_rows(ledger, "direction").values()]
    row = {"ablated": "refusal direction", **rate_columns(complied(found)), **other_columns(found)}
    frame = pd.DataFrame([row] if found else [])
    return Table("direction", "The refusal direction ablated", "Deriving a Refusal Steering Vector", frame)


def least_tokens(ledger: Ledger) -> Table:
    found = good_rows(ledger, "least_tokens")
    steps: Sequence[str] = list(next(iter(found.values()))["verdicts"]) if found else []
    rows = []
    for k in sorted(steps, key=int):  # JSON keeps keys as texts, in their own order
        judged = [value["verdicts"][k] for value in found.values()]
        sizes = [value["features"][k] for value in found.values()]
        rows.append(
            {
                "tokens at least": int(k),
                **rate_columns(complied(judged)),
                **other_columns(judged),
                **estimate_columns("features, median", median(sizes)),
            }
        )
    title = "Features active on at least k tokens (O'Brien et al.; the paper's appendix figure)"
    return Table("least_tokens", title, "Causal feature finding using alternate methods", pd.DataFrame(rows))


def links(ledger: Ledger) -> Table:
    found = [value for value in good_rows(ledger, "interactions").values() if value.get("k") is not None]
    if not found:
        return Table("links", "", "", pd.DataFrame())
    linked = [value for value in found if value["active"]]
    shares = [value["deactivated"] / value["active"] for value in linked]
    drops = [value["drop"] for value in linked if value["drop"] is not None]
    row = {
        **rate_columns(complied(value["alone"] for value in found)),
        "prompts with active Stage 2 features": len(linked),
        **estimate_columns("deactivated, mean", mean(shares)),
        "deactivated, sd": float(np.std(shares)) if shares else None,
        "deactivated, most": max(shares, default=None),
        "prompts with others still active": len(drops),
        **estimate_columns("drop of the others, mean", mean(drops)),
        "drop of the others, sd": float(np.std(drops)) if drops else None,
    }
    note = (
        "Only the new features are ablated, at each prompt's first K that flips it. The table shows how often they "
        "flip the prompt alone, the share of its active Stage 2 features that they silence, and how far the largest "
        "activation of the other features drops."
    )
    title = "Stage 3 features alone, and their effect on Stage 2 features"
    return Table("links", title, "Causal Link between Stage2 and Stage3 features", pd.DataFrame([row]), note)


def probe(ledger: Ledger) -> Table:
    found, rows = good_rows(ledger, "probe"), []
    tests: dict[int, float] = {}
    steps = sorted({int(k) for value in found.values() for k in (*value["probe"], *value["machine"])})
    for k in steps:
        both = [v for v in found.values() if str(k) in v["probe"] and str(k) in v["machine"]]
        for name in ("machine", "probe"):
            judged = [v[name][str(k)] for v in found.values() if str(k) in v[name]]
            if judged:
                ranked = "factorization machine" if name == "machine" else "linear probe"
                rows.append({"K": k, "ranked by": ranked, **rate_columns(complied(judged)), **other_columns(judged)})
        if both:
            test = paired(*(np.array([v[name][str(k)] == "complied" for v in both]) for name in ("machine", "probe")))
            tests[k] = test.p
    corrected = dict(zip(tests, holm(list(tests.values())), strict=True))
    for row in rows:
        row |= {"p": tests.get(row["K"]), "p, Holm": corrected.get(row["K"])}
    notes = [f"K = {k}: p = {p:.2g}, corrected {corrected[k]:.2g}" for k, p in tests.items()]
    note = (
        "The top K features are ablated alone. The machine's list leaves the Stage 2 features out, the probe's may "
        "hold them, so they are not features of one kind. Paired per prompt, McNemar's exact test, "
        f"corrected by Holm within the family “{MACHINE_AGAINST_PROBE.name}” ({MACHINE_AGAINST_PROBE.tests}): "
        + "; ".join(notes)
        + "."
    )
    title = "Factorization machine against linear probe"
    return Table("probe", title, "Factorization Machines vs. Linear Probe", pd.DataFrame(rows), note)
