"""Tables of the search itself: prompts, Stages 1 to 3, the minimal sets (the paper's Tables 1 and 2).

Knows: what `core.discovery.steps` wrote, and the sweep of Stage 3. Does not know: models, files or pages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.answers.verdicts import VERDICTS
from core.crossed_means import mean_of_pairs
from core.discovery.analyses import jaccard_pairs
from core.discovery.ledger import Ledger, Row, features
from core.discovery.stage0_screening import PromptKind
from core.discovery.tables.fixed import CHOSEN_AFTERWARDS, sets_at
from core.discovery.tables.seeds import machine_name
from core.discovery.tables.table import Table, complied, estimate_columns, good_rows, other_columns, rate_columns
from core.statistics import Estimate, area_interval, median, rate


def prompts(ledger: Ledger) -> Table:
    """Stage 0: how many were kept, and why the others were not."""
    rows = []
    kinds: tuple[PromptKind, ...] = ("harmful", "benign")
    for kind in kinds:
        mine: list[Row] = [row for item, row in ledger.read("screen").items() if item.startswith(kind)]
        reasons = pd.Series([row.error or _short(row.value["reason"]) for row in mine], dtype=object).value_counts()
        kept = sum(bool(row.value.get("kept")) for row in mine)
        for reason, count in reasons.items():
            rows.append({"prompts": kind, "answer": reason, "count": int(count), "of": len(mine), "kept of them": kept})
    note = "The search keeps harmful prompts that the unedited model refuses and benign prompts that it answers."
    return Table("prompts", "Prompts kept and dropped", "Dataset", pd.DataFrame(rows), note)


def by_category(ledger: Ledger) -> Table:
    """How far the search comes in each category of the harmful prompts; empty where their list has no categories."""
    screened = good_rows(ledger, "screen")
    tried, pruned = good_rows(ledger, "candidates"), good_rows(ledger, "pruning")
    asked = {item: value for item, value in screened.items() if value["reason"] in VERDICTS}
    categories = {item: value["category"] for item, value in asked.items() if value.get("category")}
    rows = []
    for name in sorted(set(categories.values())):
        items = [item for item, category in categories.items() if category == name]
        searched = [item for item in items if item in tried]
        refused, flipped = (
            rate(sum(bool(screened[i]["kept"]) for i in items), len(items)),
            rate(sum(tried[i]["k"] is not None for i in searched), len(searched)),
        )
        sets = [i for i in searched if i in pruned and pruned[i]["tau"] is not None]
        sizes = median([len(pruned[i]["minimal"][pruned[i]["tau"]]) for i in sets])
        rows.append(
            {
                "category": name,
                "prompts": len(items),
                "refused": refused.hits,
                "refused, share": refused.rate,
                **rate_columns(flipped),
                "with a minimal set": len(sets),
                **estimate_columns("features, median", sizes),
            }
        )
    note = (
        "“prompts” counts the category's prompts that the unedited model answered: repeated and unusable ones are left "
        "out. “refused” counts those of them that it refuses, “refused, share” their share. “flipped” counts the "
        "refused ones that Stage 1 flips at any K. n is small in most categories, so read the intervals."
    )
    return Table("by_category", "The search by category", "Stage 1", pd.DataFrame(rows), note)


def _short(reason: str) -> str:
    return reason if reason in (*VERDICTS, "repeated") else "unusable"


def stage_one(ledger: Ledger) -> Table:
    found, rows = good_rows(ledger, "candidates"), []
    steps = sorted({k for value in found.values() for k, _ in value["tried"]})
    for k in steps:
        flipped = sum(value["k"] is not None and value["k"] <= k for value in found.values())
        at = [v for value in found.values() for tried, v in value["tried"] if tried == k]
        sizes = [value["features"] for value in found.values() if value["k"] == k]
        rows.append(
            {
                "K per layer": k,
                "features": sizes[0] if sizes else None,
                **rate_columns(rate(flipped, len(found))),
                "tried at this K": len(at),
                **other_columns(at, " at this K"),
            }
        )
    note = "“flipped” counts prompts flipped at this K or a smaller one. Only an answer that complies is a flip."
    return Table("stage_1", "Stage 1: the K nearest features of every layer", "Stage 1", pd.DataFrame(rows), note)


def stage_two(ledger: Ledger) -> Table:
    """The paper's Table 1, by threshold, with every refused prompt as n."""
    found, n, rows = good_rows(ledger, "pruning"), len(good_rows(ledger, "candidates")), []
    thresholds = list(next(iter(found.values()))["minimal"]) if found else []
    main = next((at.tau for at in sets_at(ledger)), None)
    for t in thresholds:
        sets = [features(value["minimal"][t]) for value in found.values()]
        judged = [value["verdicts"][t] for value in found.values()]
        sizes = [len(s) for s in sets]
        rows.append(
            {
                "τ": float(t),
                "fixed beforehand": "yes" if float(t) == main else "",
                **rate_columns(rate(judged.count("complied"), n)),
                **other_columns(judged),
                **estimate_columns("features, median", median(sizes)),
                "features, largest": max(sizes),
                "unique features": len({f for s in sets for f in s}),
                **estimate_columns("overlap", mean_of_pairs(jaccard_pairs(sets))),
            }
        )
    note = (
        "n counts every refused prompt. A prompt that Stage 1 did not flip counts as not flipped. Overlap is the "
        "mean Jaccard overlap of two prompts' sets. A set contains the features kept with every seed, and each set "
        "was verified by the answer."
    )
    return Table(
        "stage_2", "Stage 2: minimal sets by threshold (the paper's Table 1)", "Stage 2", pd.DataFrame(rows), note
    )


def minimal_sets(ledger: Ledger) -> pd.DataFrame:
    """Each prompt's smallest verified set: item, tau, features (as `layer-index`), size, of (the pool's size)."""
    rows = [
        {
            "item": item,
            "tau": float(v["tau"]),
            "features": v["minimal"][v["tau"]],
            "size": len(v["minimal"][v["tau"]]),
            "of": v["pool"],
        }
        for item, v in good_rows(ledger, "pruning").items()
        if v["tau"] is not None
    ]
    return pd.DataFrame(rows, columns=["item", "tau", "features", "size", "of"])


def minimal(ledger: Ledger) -> Table:
    chosen = minimal_sets(ledger)
    if chosen.empty:
        return Table("minimal_sets", "", "", pd.DataFrame())
    sets = [features(s) for s in chosen["features"]]
    shared, layers = jaccard_pairs(sets), pd.Series([f.layer for s in sets for f in s]).value_counts().sort_index()
    row = {
        "prompts": len(chosen),
        "features, smallest": int(chosen["size"].min()),
        **estimate_columns("features, median", median(chosen["size"])),
        "features, largest": int(chosen["size"].max()),
        **estimate_columns("share of the pool, median", median(chosen["size"] / chosen["of"])),
        "unique features": len({f for s in sets for f in s}),
        **estimate_columns("overlap, mean Jaccard", mean_of_pairs(shared)),
        **estimate_columns("pairs with a feature in common", mean_of_pairs(np.where(shared > 0, 1.0, shared))),
        "layers": ", ".join(f"{layer}: {count}" for layer, count in layers.items()),
    }
    note = (
        f"For each prompt, the set at the largest τ whose set still flips it: {CHOSEN_AFTERWARDS}. These are the "
        "“Stage 2 features” below."
    )
    title = "Minimal sets: sizes and overlap"
    return Table("minimal_sets", title, "Stage 2", pd.DataFrame([row]), note)


def machines(ledger: Ledger) -> Table:
    rows = []
    for item, value in good_rows(ledger, "machine").items():
        accuracy = rate(*value["accuracy"])
        similar = value.get("similarity") or [None] * 5
        rows.append(
            {
                "machine": machine_name(item),
                "seed": value.get("seed"),
                "right": accuracy.hits,
                "n": accuracy.n,
                "accuracy": accuracy.rate,
                "low": accuracy.low,
                "high": accuracy.high,
                **estimate_columns("area under curve", _area(value)),
                "best epoch": value["best_epoch"],
                "columns": value["columns"],
                "rows": value["rows"],
                "embedding cosine, median": similar[2],
                "embedding cosine, 95%": similar[4],
                "pairs above 0.9": value.get("above_0.9"),
            }
        )
    note = (
        "One row a fit, measured on held-out test rows. Embedding cosines are of random pairs. If most are above 0.9, "
        "the size is too small (paper)."
    )
    return Table("machines", "Factorization machines and linear probe", "Stage 3", pd.DataFrame(rows), note)


def curves(ledger: Ledger) -> pd.DataFrame:
    """Training of every machine with its first seed: machine, epoch, part (training, validation), loss in nats."""
    rows = [
        {"machine": machine_name(item), "epoch": epoch, "part": part, "loss": loss}
        for item, value in good_rows(ledger, "machine").items()
        if "/seed/" not in item
        for epoch, (training, validation, _) in enumerate(value["curve"], 1)
        for part, loss in (("training", training), ("validation", validation))
    ]
    return pd.DataFrame(rows, columns=["machine", "epoch", "part", "loss"])


def _area(value: Mapping[str, Any]) -> Estimate:
    """The area with its interval; the test rows are drawn half from each side."""
    n, area = value["accuracy"][1], value["area_under_curve"]
    return area_interval(float("nan") if area is None else area, n - n // 2, n // 2)


def interactions(ledger: Ledger) -> Table:
    """The paper's Table 2 and its k-sweep."""
    found = good_rows(ledger, "interactions")
    steps = sorted({int(k) for value in found.values() for k in value["verdicts"]})
    rows = []
    for k in steps:
        judged = [value["verdicts"][str(k)] for value in found.values() if str(k) in value["verdicts"]]
        by_now = sum(value["k"] is not None and value["k"] <= k for value in found.values())
        rows.append(
            {"K": k, **rate_columns(complied(judged)), **other_columns(judged), "flipped at K or below": by_now}
        )
    note = (
        "The active features of the prompt's minimal set are ablated together with the K new features nearest in "
        "embedding."
    )
    title = "Stage 3: new features by K (the paper's Table 2)"
    return Table("stage_3", title, "Stage 3", pd.DataFrame(rows), note)
