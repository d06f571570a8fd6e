"""The table of verdicts against answer length, and the shortest length that says what the longest does.

Knows: what `core.discovery.answer_lengths` wrote. Does not know: models, files or pages.
"""

from __future__ import annotations

import pandas as pd

from core.answers.verdicts import VERDICTS
from core.discovery.answer_lengths import CONDITIONS
from core.discovery.ledger import Ledger
from core.discovery.tables.table import Table, good_rows
from core.statistics import rate

#: A length is long enough where at least this share of the verdicts is that of the longest, under every condition.
ENOUGH = 0.9


def lengths(ledger: Ledger) -> Table:
    """A row a condition and length: how many of each verdict, and how many that the longest answers have too."""
    found = good_rows(ledger, "lengths")
    rows: list[dict[str, object]] = []
    steps = sorted({int(n) for value in found.values() for n in value[CONDITIONS[0]]})
    for name in CONDITIONS:
        longest = [value[name][str(steps[-1])] for value in found.values()] if steps else []
        for n in steps:
            judged = [value[name][str(n)] for value in found.values()]
            counts: dict[str, int] = {verdict: judged.count(verdict) for verdict in VERDICTS}
            same = rate(sum(a == b for a, b in zip(judged, longest, strict=True)), len(judged))
            rows.append(
                {
                    "answers": name,
                    "tokens": n,
                    **counts,
                    "as at the longest": same.hits,
                    "n": same.n,
                    "share alike": same.rate,
                    "low": same.low,
                    "high": same.high,
                }
            )
    frame = pd.DataFrame(rows)
    title = "Verdict by answer length"
    return Table("lengths", title, "Dataset", frame, _note(frame) if rows else "")


def shortest_enough(frame: pd.DataFrame) -> int | None:
    """The shortest length of the table at which, under every condition, enough verdicts are those of the longest."""
    least = frame.groupby("tokens")["share alike"].min()
    enough = [int(length) for length, share in least.items() if share >= ENOUGH]
    return min(enough, default=None)


def _note(frame: pd.DataFrame) -> str:
    longest, chosen = int(frame["tokens"].max()), shortest_enough(frame)
    said = (
        f"No shorter length gives at least {ENOUGH:.0%} of the verdicts that {longest} tokens give."
        if chosen == longest
        else f"{chosen} tokens is the shortest of these lengths at which at least {ENOUGH:.0%} of the verdicts are "
        f"those of {longest} tokens, with and without the edit."
    )
    return (
        f"The same greedy answers, cut at each length. {said} The run judged answers of the length in its settings "
        "(“tokens”)."
    )
