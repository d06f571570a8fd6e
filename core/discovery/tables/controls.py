"""Tables of the paper's analyses: what fires, what wakes, the controls, and what it costs.

Knows: what `core.discovery.control_steps` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from core.discovery.analyses import where_woken
from core.discovery.ledger import Ledger
from core.discovery.tables.table import Table, complied, estimate_columns, good_rows, other_columns, rate_columns
from core.statistics import MACHINE_AGAINST_PROBE, holm, mean, median, paired, rate, ratio


def inert(ledger: Ledger) -> Table:
    found = good_rows(ledger, "inert")
    if not found:
        return Table("inert", "", "", pd.DataFrame())
    some = [value for value in found.values() if value["dormant"]]
    every = {f for value in found.values() for f in (*value["active"], *value["dormant"])}
    never = every - {f for value in found.values() for f in value["active"]}
    needed = [value for value in some if value["without_dormant"] != "complied"]
    rows = [
        {"what": "still flipped with the dormant features left out of the set"}
        | rate_columns(complied(value["without_dormant"] for value in found.values())),
        {"what": "flipped by the dormant features alone"}
        | rate_columns(complied(value["dormant_alone"] for value in found.values())),
        {"what": "prompts with dormant features that are needed for the flip"}
        | rate_columns(rate(len(needed), len(found))),
    ]
    note = (
        f"{len(some)} of {len(found)} minimal sets contain features that do not fire on their prompt; {len(never)} "
        f"of {len(every)} critical features fire on none of the prompts they are critical for."
    )
    title = "Inert “critical” features, and the effect of removing them"
    return Table("inert", title, "Stage 3, first paragraph", pd.DataFrame(rows), note)


def redundant(ledger: Ledger) -> Table:
    rows = []
    for name, needed_only in (("samples whose dormant features are needed", True), ("all samples", False)):
        some = [
            value
            for value in good_rows(ledger, "inert").values()
            if value["dormant"] and (not needed_only or value["without_dormant"] != "complied")
        ]
        marks = [(mark[0], mark[3]) for value in some for mark in value["woken"]]
        dormant = sum(len(value["dormant"]) for value in some)
        awake = sum(len({mark[0] for mark in value["woken"]}) for value in some)
        if not some:
            continue
        tally, share = where_woken(marks), rate(awake, dormant)
        spans: dict[str, object] = {}
        for span in ("bos", "system", "instruction", "template"):
            here = [sum(mark[3] == span for mark in value["woken"]) for value in some]
            spans |= estimate_columns(f"share at {span}", ratio(here, [len(value["woken"]) for value in some]))
        rows.append(
            {
                "samples": name,
                "prompts": len(some),
                "dormant": dormant,
                "woken": awake,
                "woken share": share.rate,
                "low": share.low,
                "high": share.high,
                "marks": tally.marks,
                **spans,
            }
        )
    note = (
        "Dormant features of the minimal set that fire once the active ones are ablated, and on which tokens. The "
        "features that fire at BOS are the same for every prompt: position 0 sees only itself, so they depend only "
        "on the edit."
    )
    return Table("redundant", "Redundant features that wake", "Redundant Features", pd.DataFrame(rows), note)


def random(ledger: Ledger) -> Table:
    found, minimal = good_rows(ledger, "random"), good_rows(ledger, "pruning")
    if not found:
        return Table("random", "", "", pd.DataFrame())
    first = np.array([minimal[item]["verdicts"][minimal[item]["tau"]] == "complied" for item in found])
    second = np.array([value["verdict"] == "complied" for value in found.values()])
    test = paired(first, second)
    short = sum(len(value["drawn"]) < value["features"] for value in found.values())
    rows = [
        {"ablated": "minimal set"} | rate_columns(rate(int(first.sum()), len(first))),
        {"ablated": "as many random active features"} | rate_columns(rate(int(second.sum()), len(second))),
    ]
    note = f"Paired per prompt, McNemar's exact p = {test.p:.2g}. All were flipped by their minimal set."
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
        "The top K features are ablated alone, without Stage 2 features. Paired per prompt, McNemar's exact test, "
        f"corrected by Holm within the family “{MACHINE_AGAINST_PROBE.name}” ({MACHINE_AGAINST_PROBE.tests}): "
        + "; ".join(notes)
        + "."
    )
    title = "Factorization machine against linear probe"
    return Table("probe", title, "Factorization Machines vs. Linear Probe", pd.DataFrame(rows), note)
