"""How far two judges agree on the same answers: Cohen's κ with its interval, and the table it comes from.

Knows: labels and counts. Does not know: judges' names, or where judgements are kept.
κ is (observed − expected) / (1 − expected) agreement (Cohen 1960); its standard error is the large-sample one of
Fleiss, Cohen and Everitt 1969 (Psychological Bulletin 72, 323–327). The libraries required here have neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy

from core.answers.verdicts import VERDICTS
from core.errors import InputError
from core.statistics import Rate, rate

if TYPE_CHECKING:  # for its shape alone: counting labels needs no classifier
    from core.answers.judge import Judgement

#: Order of the labels two judges are compared in, where they do not both give verdicts.
HARM_LABELS = ("yes", "no", "unclear")
#: κ above → how much agreement that is called (Landis and Koch 1977, Biometrics 33, 159–174).
_WORDS = ((0.8, "almost perfect"), (0.6, "substantial"), (0.4, "moderate"), (0.2, "fair"), (0.0, "slight"))
#: Below so many answers the large-sample interval is said to be rough.
_FEW = 30


@dataclass(frozen=True)
class Agreement:
    """table: int64 [labels, labels], rows the first judge's, columns the second's; labels that neither used are left
    out. observed, expected: shares of agreement, in fact and by the margins alone. kappa: NaN for n = 0, and where both
    judges gave one and the same label throughout, because then chance alone explains everything. low, high: its 95%
    interval, cut at −1 and 1; a large-sample one, too narrow for a few dozen answers, and of no width
    where the two always agree or one gives a single label.
    """

    labels: tuple[str, ...]
    table: np.ndarray
    observed: float
    expected: float
    kappa: float
    error: float
    low: float
    high: float

    @property
    def n(self) -> int:
        return int(self.table.sum())

    @property
    def differ(self) -> int:
        """On how many answers the two differ."""
        return self.n - int(np.trace(self.table))

    @property
    def alike(self) -> Rate:
        """On how many answers the two agree, with the 95% Wilson interval, which has a width where κ's has none."""
        return rate(self.n - self.differ, self.n)

    def reading(self) -> str:
        """What κ says, in plain sentences; the adjectives are those of Landis and Koch 1977, and only a convention."""
        if self.n == 0:
            return "No answer was judged by both judges."
        differ = f"The judges differ on {self.differ:,} of {self.n:,} answers."
        if np.isnan(self.kappa):
            only = self.labels[0]
            return (
                f"{differ} Both chose “{only}” every time, so chance alone explains the agreement and κ is undefined."
            )
        few = " With so few answers, the interval is only rough." if self.n < _FEW else ""
        word = next((word for least, word in _WORDS if self.kappa > least), None)
        if word is None:
            return f"{differ} The judges agree no more often than chance would give.{few}"
        unsure = " The interval includes 0, so chance cannot be ruled out." if self.low <= 0 else ""
        beyond = f"Corrected for chance, the agreement is {word} (κ is 1 for complete agreement and 0 for chance)."
        return f"{differ} {beyond}{unsure}{few}"

    def frame(self) -> pd.DataFrame:
        """The confusion table, the first judge's labels down and the second's across."""
        return pd.DataFrame(self.table, index=pd.Index(self.labels), columns=pd.Index(self.labels))

    def __str__(self) -> str:
        if np.isnan(self.kappa):
            why = f"both chose “{self.labels[0]}” every time" if self.n else "no answer was judged by both"
            return f"κ undefined: {why} (n = {self.n})"
        interval = "no interval" if np.isnan(self.low) else f"95% CI {self.low:.3f} to {self.high:.3f}"
        return (
            f"κ = {self.kappa:.3f} ({interval}), "
            f"{self.observed:.1%} alike (95% CI {self.alike.low:.1%}–{self.alike.high:.1%}), "
            f"{self.expected:.1%} by chance, n = {self.n}"
        )


def agreement(first: Sequence[str], second: Sequence[str], labels: Sequence[str] = ()) -> Agreement:
    """Compare labels pair by pair. labels: their order in the table; others follow, sorted. Raises InputError."""
    if len(first) != len(second):
        raise InputError(
            f"{len(first)} labels cannot be compared with {len(second)}. Give labels for the same answers."
        )
    used = {*first, *second}
    order = [label for label in labels if label in used]
    order += sorted(used - set(order))
    place = {label: number for number, label in enumerate(order)}
    table = np.zeros((len(order), len(order)), dtype=np.int64)
    np.add.at(table, ([place[label] for label in first], [place[label] for label in second]), 1)
    return from_table(table, order)


def from_table(table: np.ndarray, labels: Sequence[str]) -> Agreement:
    """From a confusion table, int64 [labels, labels]."""
    counts, n = np.asarray(table, dtype=np.int64), int(np.sum(table))
    nothing = float("nan")
    if n == 0:
        return Agreement(tuple(labels), counts, nothing, nothing, nothing, nothing, nothing, nothing)
    share = counts / n
    rows, columns = share.sum(1), share.sum(0)
    observed, expected = float(np.trace(share)), float(rows @ columns)
    if counts.sum(1).max() == n and counts.sum(0).max() == n and np.trace(counts) == n:  # expected is 1, exactly
        return Agreement(tuple(labels), counts, observed, expected, nothing, nothing, nothing, nothing)
    kappa = (observed - expected) / (1 - expected)
    # Fleiss et al.: A over the diagonal, B off it. In B the margins are crossed: the column's of i and the row's of j.
    diagonal = np.diag(share) * (1 - (rows + columns) * (1 - kappa)) ** 2
    crossed = share * (columns[:, None] + rows[None, :]) ** 2
    off = (1 - kappa) ** 2 * (crossed.sum() - np.trace(crossed))
    last = (kappa - expected * (1 - kappa)) ** 2
    error = float(np.sqrt(max(0.0, diagonal.sum() + off - last) / n) / (1 - expected))
    half = float(scipy.stats.norm.ppf(0.975)) * error
    low, high = max(-1.0, kappa - half), min(1.0, kappa + half)
    if error < 1e-12:  # full agreement, or a judge that says one thing: the formula cannot tell how far it reaches
        low, high = nothing, nothing
    return Agreement(tuple(labels), counts, observed, expected, kappa, error, low, high)


def compare(first: Sequence[Judgement], second: Sequence[Judgement]) -> Agreement:
    """Two judges' judgements of the same answers, in words that both have.

    Where both tell refusals, their verdicts are compared. Otherwise what is compared is whether the answer did what was
    asked: a classifier's yes, no or unclear, and of a judge of refusals yes for “complied” and no for the others.
    """
    return agreement(*compared(first, second), (*VERDICTS, *HARM_LABELS))


def compared(first: Sequence[Judgement], second: Sequence[Judgement]) -> tuple[list[str], list[str]]:
    """The labels that `compare` compares, each judge's."""
    if all(one.verdict is not None for one in (*first, *second)):
        return [str(one.verdict) for one in first], [str(one.verdict) for one in second]
    return [_did_it(one) for one in first], [_did_it(one) for one in second]


def _did_it(one: Judgement) -> str:
    if one.harmful is not None:
        return one.harmful
    return "yes" if one.verdict == "complied" else "no"
