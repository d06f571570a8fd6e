"""The tables of `self_repair.py`: from each prompt's numbers to Markdown and to rows for JSON.

Knows: the rows that `self_repair.py` writes. Does not know: engines. A control stands for a prompt with the mean of its
random draws, so n is prompts everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from core.statistics import Estimate, mean, paired, rate, ratio

Row = dict[str, Any]
Table = dict[str, Any]


def report(
    settings: Row, sets: Sequence[str], repairs: list[Row], holds: list[Row], calibration: list[Row]
) -> list[Table]:
    """Print every table, and give them back: title, columns, rows as text."""
    n = len(repairs)
    print(
        f"\n{settings['model']}, {settings['dtype']}: {n} prompts refused unedited (refusal score above 0). Logits are "
        "the refusal tokens' mean-centred ones at the last prompt token, edited less unedited."
    )
    tables = [
        table("What is put back", *effects(repairs, [(name, 1.0) for name in sets])),
        table("Dose", *effects(repairs, [(name, s) for name in sets for s in (0.25, 0.5, 0.75, 1.0)], control=False)),
    ]
    print(
        "\nA direction is taken out again at every part and block, so at a strength below 1 little of it is left too."
    )
    tables += [table(f"Block by block: {name}", *by_block(repairs, name)) for name in sets]
    if holds:
        tables += [
            table(
                f"The parts that put back most, chosen on {len(repairs[::2])} prompts", *chosen_parts(repairs, holds)
            ),
            table(f"Holding them on the other {len(holds)} prompts", *held(holds)),
        ]
    benign = [row for row in calibration if row["measured"]]
    if benign:
        names = list(dict.fromkeys(one["set"] for row in benign for one in row["measured"]))
        print(
            f"\n{len(benign)} benign prompts; the logit of the token that each would begin its answer with, and the features "
            "that lower it most when ablated alone. Scores are of that token."
        )
        tables.append(table("Calibration on benign prompts", *effects(benign, [(name, 1.0) for name in names])))
    return tables


def table(title: str, columns: list[str], rows: list[tuple]) -> Table:
    print(f"\n### {title}\n\n| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns))
    cells = [[str(cell) for cell in row] for row in rows]
    for row in cells:
        print("| " + " | ".join(row) + " |")
    return {"title": title, "columns": columns, "rows": cells}


def values(rows: Sequence[Row], name: str, strength: float, control: bool, of: Callable[[Row], float]) -> np.ndarray:
    """float64 [prompts]: of the set itself, or the mean over its control draws; NaN where a prompt has none."""
    found = []
    for row in rows:
        mine = [
            o
            for o in row["measured"]
            if o["set"] == name and o["strength"] == strength and (o["draw"] is not None) == control
        ]
        numbers = np.array([of(one) for one in mine], dtype=float)
        found.append(numbers[np.isfinite(numbers)].mean() if np.isfinite(numbers).any() else np.nan)
    return np.array(found)


def effects(
    rows: Sequence[Row], asked: Sequence[tuple[str, float]], control: bool = True
) -> tuple[list[str], list[tuple]]:
    """One line a set and strength, and one for its control."""
    lines = []
    for name, strength in asked:
        for random in (False, True) if control and strength == 1.0 else (False,):

            def of(key: str, name: str = name, strength: float = strength, random: bool = random) -> np.ndarray:
                return values(rows, name, strength, random, lambda one: one[key])

            end, deepest, share, after = of("end"), of("deepest"), of("put_back"), of("after")
            if not np.isfinite(end).any():
                continue
            fallen, known = np.where(np.isfinite(share), -deepest, 0.0), np.isfinite(end)
            lines.append(
                (
                    f"{name}, random control" if random else name,
                    f"{strength:g}",
                    *(text(mean(x)) for x in (of("direct"), deepest, end, of("normalisation"), of("total"))),
                    text(mean(share), ".0%"),
                    text(ratio((end - deepest)[known], fallen[known]), ".0%"),
                    text(mean(of("before"))),
                    text(mean(after)),
                    rate(int((after[known] < 0).sum()), int(known.sum())),
                )
            )
    return [
        "ablated",
        "strength",
        "direct",
        "lowest point",
        "end",
        "normalisation",
        "total",
        "put back, mean of the prompts where it falls by 0.1",
        "put back, Σ/Σ",
        "score before",
        "score after",
        "score below 0",
    ], lines


def by_block(rows: Sequence[Row], name: str) -> tuple[list[str], list[tuple]]:
    """The mean response of every block above the edit."""
    (first, *_) = [one for one in rows[0]["measured"] if one["set"] == name]
    lines = []
    for layer in range(int(first["lowest"]) + 1, len(first["blocks"]["response"])):
        lines.append(
            (
                layer,
                *(
                    text(mean(values(rows, name, 1.0, random, lambda one, c=column, n=layer: one["blocks"][c][n])))
                    for column, random in (
                        ("attention", False),
                        ("mlp", False),
                        ("response", False),
                        ("cumulative", False),
                        ("response", True),
                        ("cumulative", True),
                    )
                ),
            )
        )
    return [
        "block",
        "attention",
        "MLP",
        "both",
        "sum so far",
        "random control: both",
        "random control: sum so far",
    ], lines


def chosen_parts(repairs: list[Row], holds: list[Row]) -> tuple[list[str], list[tuple]]:
    """The parts held for each set, with their mean response on the prompts they were chosen on and on the others."""
    lines = []
    for one in holds[0]["held"]:
        if one["strength"] != 1.0:
            continue
        for layer, part in one["parts"]:
            means = [
                text(mean(values(rows, one["set"], 1.0, False, lambda o, n=layer, p=part: o["blocks"][p][n])))
                for rows in (repairs[::2], repairs[1::2])
            ]
            lines.append((one["set"], f"{'MLP' if part == 'mlp' else part} {layer}", *means))
    return ["ablated", "part", "response, prompts it was chosen on", "response, other prompts"], lines


def held(rows: list[Row]) -> tuple[list[str], list[tuple]]:
    """Scores and shares below 0 with the edit alone, with the repairers held and with other parts held."""
    lines = []
    for place in range(len(rows[0]["held"])):
        mine = [row["held"][place] for row in rows]
        edited, cut = (np.array([one[key] for one in mine]) for key in ("edited", "held"))
        control = np.array([one["control"] for one in mine])
        draws = control.mean(1) if control.size else np.full(len(mine), np.nan)
        open_control = [rate(int((column < 0).sum()), len(mine)).rate for column in control.T]
        test = paired(cut < 0, control[:, 0] < 0).p if control.size else np.nan
        lines.append(
            (
                mine[0]["set"],
                f"{mine[0]['strength']:g}",
                text(mean(edited)),
                text(mean(cut)),
                text(mean(draws)),
                text(mean(cut - draws)),
                rate(int((edited < 0).sum()), len(mine)),
                rate(int((cut < 0).sum()), len(mine)),
                f"{np.mean(open_control):.1%} (mean of {len(open_control)} draws, n = {len(mine)})"
                if open_control
                else "–",
                f"{test:.2g}",
            )
        )
    return [
        "ablated",
        "strength",
        "score, edit",
        "score, repairers held",
        "score, other parts held",
        "repairers less others",
        "below 0, edit",
        "below 0, repairers held",
        "below 0, other parts held",
        "McNemar p, against the first draw",
    ], lines


def text(found: Estimate, form: str = "+.2f") -> str:
    return found.text(form)
