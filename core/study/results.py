"""What a study comes to: majority, agreement, scores beside guessing, by number of categories; also as rows and JSON.

Knows: a study and its annotations. Does not know: stores, pages, terminals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from core.answers.verdicts import VERDICTS
from core.judges.agreement import Agreement, agreement
from core.statistics import Estimate, Rate, rate
from core.study.agreement import about_label, fleiss_kappa, krippendorff_alpha, majority, masi
from core.study.answers import NONE, Choice
from core.study.items import Annotations, Study, ratings
from core.study.score import PAPER_SCORE, Guessing, Scores, guessing, scores
from core.text.csv_text import csv_text
from core.text.json_text import json_text


@dataclass(frozen=True)
class Results:
    """annotators: name → main items done, those who have done any. items: main items; rated: those that somebody did.

    decided: items on which some label has a majority. chosen: label → on how many rated items it has one. kappa:
    Fleiss' κ of whole choices, of the annotators who did every item, where there are two or more of them; else of the
    items that everybody did. alpha: Krippendorff's α of the same; alpha_masi: α that counts choices with labels in
    common as nearer. by_label: label → (κ, α) of the question whether it was chosen. scores: of the majority on rated
    items with a known truth; guess: what the same choices score by chance. by_person: the same scores of each annotator
    alone. by_number: number of true categories → scores, 0 for “None”; by_group: the same by where items came from.
    judges: judge → agreement of the majority with it, majority in rows.
    """

    study: Study
    annotators: Mapping[str, int]
    items: int
    rated: int
    decided: Rate
    chosen: Mapping[str, Rate]
    kappa: Estimate
    alpha: Estimate
    alpha_masi: Estimate
    by_label: Mapping[str, tuple[Estimate, Estimate]]
    scores: Scores
    guess: Guessing
    by_person: Mapping[str, Scores]
    by_number: Mapping[int, Scores]
    by_group: Mapping[str, Scores]
    judges: Mapping[str, Agreement]


def results(
    study: Study, annotations: Annotations, judges: Mapping[str, Sequence[str | None]] | None = None
) -> Results:
    """judges: of a study of answers, judge → its verdict on each main item, None where it gave none."""
    rated = ratings(study, annotations)
    majorities = [majority(list(one.values())) for one in rated]
    truths = [study.items[number].truth for number in study.main]
    places = [i for i, one in enumerate(rated) if one]
    scored = [i for i in places if truths[i]]
    labels = (*study.labels, NONE) if study.question.several else study.labels
    groups: dict[str, list[int]] = {}
    numbers: dict[int, list[int]] = {}
    for i in scored:
        groups.setdefault(study.items[study.main[i]].group, []).append(i)
        numbers.setdefault(number_of(truths[i]), []).append(i)

    def part(where: Sequence[int]) -> Scores:
        return scores([majorities[i] for i in where], [truths[i] for i in where])

    def of_person(who: str) -> Scores:
        where = [i for i in scored if who in rated[i]]
        return scores([rated[i][who] for i in where], [truths[i] for i in where])

    counted = {who: sum(who in one for one in rated) for who in annotations}
    people = {who: count for who, count in counted.items() if count}
    complete = {who for who, count in people.items() if count == len(rated)}
    for_kappa = rated
    if len(complete) > 1:
        for_kappa = [{who: choice for who, choice in one.items() if who in complete} for one in rated]
    return Results(
        study=study,
        annotators=people,
        items=len(study.main),
        rated=len(places),
        decided=rate(sum(bool(majorities[i]) for i in places), len(places)),
        chosen={label: rate(sum(label in majorities[i] for i in places), len(places)) for label in labels},
        kappa=fleiss_kappa(for_kappa),
        alpha=krippendorff_alpha(rated),
        alpha_masi=krippendorff_alpha(rated, masi),
        by_label={
            label: (fleiss_kappa(about_label(for_kappa, label)), krippendorff_alpha(about_label(rated, label)))
            for label in labels
        },
        scores=part(scored),
        guess=guessing([majorities[i] for i in scored], [truths[i] for i in scored]),
        by_person={who: of_person(who) for who in people},
        by_number={number: part(numbers[number]) for number in sorted(numbers)} if study.question.several else {},
        by_group={group: part(where) for group, where in sorted(groups.items())},
        judges={name: _with_judge(majorities, verdicts) for name, verdicts in (judges or {}).items()},
    )


def number_of(truth: Choice) -> int:
    """How many categories a truth names; 0 for “None”."""
    return len(truth - {NONE})


def _with_judge(majorities: Sequence[Choice], verdicts: Sequence[str | None]) -> Agreement:
    """Cohen's κ of the majority with a judge, on the answers where both have a verdict."""
    both = [(next(iter(m)), v) for m, v in zip(majorities, verdicts, strict=True) if len(m) == 1 and v is not None]
    return agreement([m for m, _ in both], [v for _, v in both], VERDICTS)


def rows(study: Study, annotations: Annotations) -> list[dict[str, Any]]:
    """One row a main item, for a table: what was shown, its truth, everybody's choice, the majority, the score."""
    question, found = study.question, []
    for number, rated in zip(study.main, ratings(study, annotations), strict=True):
        item, most = study.items[number], majority(list(rated.values()))
        shown = (
            {"feature": item.feature, "label": item.label}
            if study.kind == "features"
            else {"prompt": item.prompt, "answer": item.answer}
        )
        found.append(
            {
                "item": number,
                "group": item.group,
                **shown,
                "truth": question.text(item.truth),
                **{f"by {who}": question.text(rated.get(who, frozenset())) for who in annotations},
                "annotators": len(rated),
                "majority": question.text(most),
                "score": len(most & item.truth) / len(item.truth) if item.truth and rated else None,
            }
        )
    return found


def as_csv(study: Study, annotations: Annotations) -> str:
    """The same as CSV, with the study's name and facts as constant columns, so that a row on its own can be traced."""
    facts = {"study": study.name, **{f"study's {title}": text for title, text in study.facts.items()}}
    return csv_text(pd.DataFrame(rows(study, annotations)).assign(**facts))


def as_json(found: Results, annotations: Annotations) -> str:
    """Everything, with the items, as one JSON object; numbers that are not finite are null."""
    study = found.study
    value = {
        "study": study.name,
        "kind": study.kind,
        "model": study.model,
        "labels": list(study.labels),
        "facts": dict(study.facts),
        "notes": list(study.notes),
        "annotators": dict(found.annotators),
        "items": found.items,
        "rated": found.rated,
        "majority": found.decided._asdict(),
        "majority of each label": {label: one._asdict() for label, one in found.chosen.items()},
        "Fleiss kappa": found.kappa._asdict(),
        "Krippendorff alpha, nominal": found.alpha._asdict(),
        "Krippendorff alpha, MASI": found.alpha_masi._asdict(),
        "by label": {
            label: {"Fleiss kappa": kappa._asdict(), "Krippendorff alpha": alpha._asdict()}
            for label, (kappa, alpha) in found.by_label.items()
        },
        "score": _scores(found.scores),
        "random guessing": found.guess._asdict(),
        "score in the paper": PAPER_SCORE if study.kind == "features" else None,
        "score by annotator": {who: _scores(one) for who, one in found.by_person.items()},
        "score by number of categories": {str(number): _scores(one) for number, one in found.by_number.items()},
        "score by group": {group: _scores(one) for group, one in found.by_group.items()},
        "judges": {name: _agreement(one) for name, one in found.judges.items()},
        "rows": rows(study, annotations),
    }
    return json_text(value, ascii_only=False, indent=1) + "\n"


def _scores(one: Scores) -> dict[str, Any]:
    return {name: part._asdict() for name, part in one._asdict().items()}


def _agreement(one: Agreement) -> dict[str, Any]:
    return {
        "n": one.n,
        "labels": list(one.labels),
        "table": one.table.tolist(),
        "observed": one.observed,
        "kappa": one.kappa,
        "low": one.low,
        "high": one.high,
    }
