"""How near two measurements of one number have to be, and what the comparison of a card came to.

Knows: tolerances and outcomes. Does not know: how anything is measured.

On one kind of device in one number format a card's numbers come back to within rounding. On another device the order of
sums differs; in another number format so do all weights and activations. The tolerances below are stated with each
result.
"""

from __future__ import annotations

import math
import re
from typing import Literal, NamedTuple

from core.card.contents import Card, Source

_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
Outcome = Literal["agrees", "differs", "not checked"]


class Tolerance(NamedTuple):
    """score: of refusal scores, in nats of log-odds. cosine: of cosines. share: of a KL, an activation, a probability
    or a share put back, as a part of the larger one; least: allowed of these however small they are. exact_text:
    whether greedy answers have to be the same text. why: in words."""

    score: float
    cosine: float
    share: float
    least: float
    exact_text: bool
    why: str


def tolerance_for(card: Source, here: Source) -> Tolerance:
    """By device and number format of the card and of this machine."""
    where = f"{card.dtype} on {card.device} in the card, {here.dtype} on {here.device} here"
    if card.dtype != here.dtype:
        return Tolerance(0.5, 0.02, 0.15, 0.015, False, f"another number format: {where}")
    exact, same = card.dtype == "float32", card.device == here.device
    if not same:
        limits = (0.05, 0.002, 0.02, 1e-4) if exact else (0.5, 0.02, 0.15, 0.015)
        return Tolerance(*limits, False, f"another device: {where}")
    limits = (0.01, 0.001, 0.01, 1e-5) if exact else (0.25, 0.01, 0.1, 0.01)
    return Tolerance(*limits, True, f"the same number format and kind of device: {where}")


class Check(NamedTuple):
    """One number compared. where: prompt and state. card, here: as text; “here” is empty where it was not measured.
    within: the tolerance, as text. why: what stands in the way of a check."""

    where: str
    what: str
    card: str
    here: str
    within: str
    outcome: Outcome
    why: str = ""


class Checked(NamedTuple):
    """What became of a card. notes: what is another than in the card, in sentences. foreign: whether the model itself
    is another, so that nothing could be checked. left: what the card says that no check is about, in words
    (`core.card.left`)."""

    card: Card
    tolerance: Tolerance
    notes: tuple[str, ...]
    checks: tuple[Check, ...]
    foreign: bool
    left: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        return sum(one.outcome == outcome for one in self.checks)

    @property
    def whole(self) -> bool:
        """Whether every check was made and agrees. Nothing is said of what is `left`."""
        return bool(self.checks) and self.count("agrees") == len(self.checks)

    @property
    def sentence(self) -> str:
        """What became of it, in one sentence."""
        if self.foreign:
            return f"This card cannot be checked here. {' '.join(self.notes)}"
        agree, differ, rest = (self.count(one) for one in ("agrees", "differs", "not checked"))
        if not agree + differ:
            return f"No value of this card was measured again, so nothing is known of it: {rest} could not be checked."
        said = f"{agree} of {agree + differ} values that were measured again agree with the card"
        return said + (f"; {rest} could not be checked." if rest else ".")

    @property
    def not_compared(self) -> str:
        """What of the card no check is about, in one sentence; empty where there is nothing."""
        return f"Not compared: {'; '.join(self.left)}." if self.left else ""


def near(where: str, what: str, card: float, here: float, within: float) -> Check:
    """Two numbers, at most `within` apart; NaN is like NaN."""
    same = (math.isnan(card) and math.isnan(here)) or abs(card - here) <= within + _rounding(card)
    return Check(where, what, _text(card), _text(here), f"±{within:.2g}", "agrees" if same else "differs")


def equal(where: str, what: str, card: str, here: str) -> Check:
    """Two words that have to be the same."""
    return Check(where, what, card, here, "the same", "agrees" if card == here else "differs")


def alike(where: str, what: str, card: str, here: str, share: float) -> Check:
    """Two sentences that have to be the same but for numbers in them. share: how far apart these may be, as a part of
    the larger one, and one of the last digit that is written."""
    first, second = _NUMBER.findall(card), _NUMBER.findall(here)
    same = _NUMBER.sub("#", card) == _NUMBER.sub("#", here) and all(
        abs(float(a) - float(b)) <= share * max(abs(float(a)), abs(float(b))) + 1.01 * 10.0 ** -len(a.partition(".")[2])
        for a, b in zip(first, second, strict=True)
    )
    return Check(where, what, card, here, f"the same, numbers ±{share:.0%}", "agrees" if same else "differs")


def unchecked(where: str, what: str, card: float | str, why: str) -> Check:
    """A number that was not measured, and why."""
    return Check(where, what, card if isinstance(card, str) else _text(card), "", "", "not checked", why)


def _rounding(number: float) -> float:
    """Half of the last digit that a card keeps of a number (`core.hydra.as_json.DIGITS`)."""
    return 0.0 if not number or math.isnan(number) else 0.5 * 10 ** (math.floor(math.log10(abs(number))) - 4)


def _text(number: float) -> str:
    return "–" if math.isnan(number) else f"{number:.5g}"
