"""A study's results in sentences, for a terminal and a page.

Knows: results. Does not know: stores, pages, Markdown.
"""

from __future__ import annotations

import math

from core.statistics import Estimate
from core.study.results import Results
from core.study.score import PAPER_SCORE


def lines(found: Results) -> list[str]:
    """The whole, a line each."""
    study = found.study
    people = ", ".join(f"{who} ({count})" for who, count in found.annotators.items()) or "none yet"
    told = [f"{study.name}: {found.rated} of {found.items} {study.kind} labelled; annotators: {people}", *study.notes]
    if not found.rated:
        return told
    told += [
        f"Majority: {found.decided}",
        f"Fleiss' κ: {kappa_text(found)}",
        f"Krippendorff's α: {agreement_text(found.alpha)}",
    ]
    if study.question.several:
        told.append(f"Krippendorff's α with MASI distance: {agreement_text(found.alpha_masi)}")
    told += [f"  {label}: majority on {rate}" for label, rate in found.chosen.items()]
    if found.scores.credit.n:
        told += score_lines(found)
    told += [f"With the judge {name}: {one}" for name, one in found.judges.items()]
    return told


def score_lines(found: Results) -> list[str]:
    """The majority's score, guessing beside it, and both by number of categories."""
    study = found.study
    if not study.question.several:
        told = [f"The majority has the known verdict on {found.scores.exact}"]
    else:
        told = [
            f"Score of the majority, as in the paper: {percent(found.scores.credit)} (the paper's three annotators: "
            f"{PAPER_SCORE:.2%})",
            f"Stricter score, wrong categories counted too (Jaccard): {percent(found.scores.jaccard)}",
            f"All categories right and none more: {found.scores.exact}",
        ]
        told.append(guess_text(found))
    told += [
        f"  {number_text(number)}: {percent(one.credit)}; stricter {percent(one.jaccard)}"
        for number, one in found.by_number.items()
    ]
    told += [f"  {group}: {percent(one.credit)}" for group, one in found.by_group.items() if len(found.by_group) > 1]
    return told + [f"  {who} alone: {percent(one.credit)}" for who, one in found.by_person.items() if one.credit.n]


def guess_text(found: Results) -> str:
    """What random guessing scores, and whether the majority is better."""
    guess = found.guess
    better = (
        "The majority scores more than that."
        if guess.p < 0.05 and found.scores.credit.value > guess.mean
        else "The majority is no better than chance."
    )
    return (
        f"Random guessing with the same choices, dealt to the items at random: {guess.mean:.1%} (95% of draws "
        f"{guess.low:.1%} to {guess.high:.1%}, p = {guess.p:.2g}). {better}"
    )


def number_text(number: int) -> str:
    """“fires on 2 categories”."""
    if not number:
        return "fires on no category"
    return f"fires on {number} categor{'y' if number == 1 else 'ies'}"


def percent(one: Estimate) -> str:
    """A share with its interval."""
    if not one.n:
        return "– (n = 0)"
    if math.isnan(one.low):
        return f"{one.value:.1%} (n = {one.n})"
    return f"{one.value:.1%} (95% CI {one.low:.1%} to {one.high:.1%}, n = {one.n})"


def kappa_text(found: Results) -> str:
    """Fleiss' κ with its interval, or why there is none: it needs items that everybody labelled, α does not."""
    if found.alpha.n and not found.kappa.n:
        return f"not known, because no item was labelled by all {len(found.annotators)} annotators"
    return agreement_text(found.kappa)


def agreement_text(one: Estimate) -> str:
    """κ or α with its interval, or why there is none."""
    if not one.n:
        return "not known, because no item was labelled by two annotators or more"
    if math.isnan(one.value):
        return f"undefined, because every choice is the same (n = {one.n})"
    return one.text(".3f").replace("-", "−")
