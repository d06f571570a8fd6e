"""What is known of a set of features as tables: one row a feature, and the paper's Figure 3 and Tables 4, 7, 8 and 12.

Knows: `About`, how numbers become columns. Does not know: files, pages.
"""

from __future__ import annotations

from collections import Counter

import pandas as pd

from core.discovery.tables.table import Table, estimate_columns, rate_columns
from core.edits.edits import Feature
from core.semantics import categories, label_score, roles
from core.semantics.about import ALL, About
from core.semantics.counts import by_type, counts
from core.semantics.groups import group_table, kinds_table
from core.semantics.words import explanation, frequent_words
from core.statistics import Estimate, rate
from core.text.figures import counted

#: Categories that are named where they had too few prompts.
_LISTED = 4
_NOT_MEASURED = Estimate(float("nan"), 0, float("nan"), float("nan"))
_CORRECTED = (
    f"Corrected: on the prompt's own tokens the feature fires on {categories.LEAST_RATE:.0%} of the category's prompts "
    f"or more, more strongly than on {{against}}, with an area under the curve of {categories.LEAST_AREA} or more and "
    f"q at most {categories.LEVEL} (Mann–Whitney, one-sided; Benjamini and Hochberg over all features that fire and "
    "categories). "
    "The paper's: it is above 0 at any token, BOS too, of any prompt of the category."
)


def about_tables(found: About) -> list[Table]:
    """Every table, in the paper's order."""
    return [
        features(found),
        _figure(found),
        _counts(found),
        _roles(found),
        _words(found),
        _groups(found),
        _kinds(found),
        _scores(found),
        _routes(found),
    ]


def features(found: About) -> Table:
    """One row a feature of the groups that were looked at."""
    group_of = {feature: name for name, several in found.groups.items() for feature in several}
    rows = [_row(found, feature, found.place[feature], group_of[feature]) for feature in found.features]
    note = f"Categories of {found.prompts.origin}. {_how(found)} {roles.HOW}"
    return Table("features", "What each feature is about", "Analysis", pd.DataFrame(rows), note)


def _row(found: About, feature: Feature, place: int, group: str) -> dict[str, object]:
    tests, evidence, score = found.tests, found.evidence[feature], found.scores.get(feature)
    answered = [name for name, yes in zip(tests.names, tests.answers[place], strict=True) if yes]
    return {
        "feature": str(feature),
        "set": group,
        "label": found.labels[feature],
        "verdict": tests.verdict(place),
        "categories": ", ".join(answered),
        "strongest in": tests.best(place),
        "area, highest": float(tests.area[place].max()),
        "fires on": int(tests.fires[place].sum()),
        "role": found.role(feature),
        **estimate_columns("effect on refusal", evidence.effect or _NOT_MEASURED),
        "effect, n": (evidence.effect or _NOT_MEASURED).n,
        "cosine": evidence.cosine,
        "fires at the template": evidence.at_template,
        "label's group": found.by_label[feature],
        "label score": score.area if score else None,
        "of shuffled labels": score.shuffled if score else None,
        "label score, q": score.q if score else None,
        "better than chance": score.verdict if score else "",
        "suppresses": ", ".join(found.suppressed[feature]),
        **_sentence(found, feature),
    }


def _sentence(found: About, feature: Feature) -> dict[str, object]:
    """Columns of the one-sentence label, where such labels were written."""
    if found.written is None:
        return {}
    score = found.written.scores.get(feature)
    return {
        "sentence": found.written.labels.get(feature, ""),
        "sentence score": score.area if score else None,
        "of other sentences": score.shuffled if score else None,
        "sentence score, q": score.q if score else None,
        "sentence better than chance": score.verdict if score else "",
    }


def _figure(found: About) -> Table:
    groups = {**found.groups, ALL: found.tests.features}
    frame = by_type(found.tests, groups)
    note = f"The paper's Figure 3, in numbers. {_how(found)}"
    return Table("harm_types", "Harm types that features answer to (the paper's Figure 3)", "Analysis", frame, note)


def _counts(found: About) -> Table:
    groups = {**found.groups, ALL: found.tests.features}
    frame = pd.concat(
        [
            counts(found.tests, groups),
            counts(found.shuffled, groups, ", categories shuffled").query("definition == 'corrected'"),
        ],
        ignore_index=True,
    )
    note = (
        f"{_how(found)} Shuffled: the same with the categories and “contrast” dealt out to the prompts by chance, so "
        "what is found there is chance."
    )
    return Table(
        "category_counts", "How many categories features answer to (the paper's Table 12)", "Human Study", frame, note
    )


def _roles(found: About) -> Table:
    rows = []
    for name, several in found.groups.items():
        kinds = Counter(found.role(feature) for feature in several)
        for role in roles.ROLES:
            one = rate(kinds[role], len(several))
            rows.append((name, role, *one))
    frame = pd.DataFrame(rows, columns=["group", "role", "features", "of", "share", "low", "high"])
    return Table("roles", "Roles from what ablating does", "", frame, roles.HOW)


def _words(found: About) -> Table:
    first = next(iter(found.groups.values()))
    frame = pd.DataFrame(
        frequent_words([found.labels[feature] for feature in first]), columns=["word", "times", "labels"]
    )
    said = sum(bool(explanation(found.labels[feature])) for feature in first)
    note = f"Content words over {said:,} labels of the first set, without the tokens that features promote."
    return Table(
        "words", "The most frequent words of the labels (the paper's Table 4)", "Feature Semantics", frame, note
    )


def _groups(found: About) -> Table:
    first = next(iter(found.groups.values()))
    frame = group_table({f: found.by_label[f] for f in first}, {f: found.labels[f] for f in first})
    note = (
        "Groups of labels by HDBSCAN over tf-idf of letters folded by SVD, named by class-based tf-idf. Such vectors "
        "see shared words, not shared meaning."
    )
    title = "Groups of labels (the paper's Tables 7, 8 and 10)"
    return Table("label_groups", title, "Feature Semantics", frame, note)


def _kinds(found: About) -> Table:
    frame = kinds_table({name: [found.labels[f] for f in several] for name, several in found.groups.items()})
    note = "By words of the label and its marked token. The paper finds about 31% of the redundant features on LLaMA."
    return Table("label_kinds", "Labels about punctuation and programming", "BOS", frame, note)


def _scores(found: About) -> Table:
    kinds = {name: (several, found.scores) for name, several in found.groups.items()}
    if found.written is not None:
        by, scores = f", sentences by {found.written.by}", found.written.scores
        kinds |= {name + by: (several, scores) for name, several in found.groups.items()}
    rows = []
    for name, (several, scores) in kinds.items():
        scored = [scores[feature] for feature in several if feature in scores]
        areas = pd.Series([one.area for one in scored], dtype=float)
        shuffled = pd.Series([one.shuffled for one in scored], dtype=float)
        rows.append(
            {"group": name, **_renamed(rate_columns(label_score.better_rate(scored))), "area, median": areas.median()}
            | {"shuffled, median": shuffled.median(), "too few labels": sum(not one.comparable for one in scored)}
            | {"not scored": len(several) - len(scored)}
        )
    note = (
        "Detection: the area under the curve of a label's nearness to a prompt, for whether the feature fires there. "
        f"Better than chance: among all labels on the same feature, q at most {label_score.LEVEL}. Not scored: no "
        f"label, or the feature fires on fewer than {label_score.FEWEST} prompts or is silent on fewer. Nearness is of "
        f"words, so a label in other words scores too low. {_without_rate(found)}{found.scored_on}"
    ).strip()
    return Table("label_scores", "Labels scored by detection", "", pd.DataFrame(rows), note)


def _without_rate(found: About) -> str:
    """Of which labels there is no rate, and why: it is so of all that were scored together, or of none."""
    kinds = {"labels": found.scores, "sentences": found.written.scores if found.written else {}}
    why = {kind: too_few for kind, scores in kinds.items() for too_few in {one.too_few for one in scores.values()}}
    return "".join(
        f"No rate of {kind}: {too_few}, as at least {label_score.FEWEST_LABELS} are needed for any to be better than "
        "chance. "
        for kind, too_few in why.items()
        if too_few
    )


def _renamed(columns: dict[str, object]) -> dict[str, object]:
    return {{"flipped": "better than chance", "n": "of", "rate": "share"}.get(k, k): v for k, v in columns.items()}


def _routes(found: About) -> Table:
    frame = found.routes.frame().reset_index(names="from firing")
    note = f"Rows: from firing; columns: from the label's words. {found.routes}. {found.scored_on}".strip()
    return Table("two_routes", "Category from firing and from the label", "", frame, note)


def _how(found: About) -> str:
    few_of = found.prompts.left_out
    left = "; ".join(f"{name} ({n})" for name, n in few_of[:_LISTED])
    left += f" and {len(few_of) - _LISTED} more" if len(few_of) > _LISTED else ""
    sizes = ", ".join(f"{name} {n}" for name, n in zip(found.tests.names, found.tests.sizes, strict=True))
    few = f" Left out, too few prompts: {left}." if left else ""
    if found.prompts.uncategorized:
        few += f" Left out, no category: {counted(found.prompts.uncategorized, 'prompt')}."
    if found.prompts.both:
        few += f" Left out of the contrast, because harmful too: {counted(found.prompts.both, 'prompt')}."
    against = f" against {found.tests.n_against} contrast prompts" if found.tests.n_against else ""
    silent = ""
    if found.silent:
        named = ", ".join(map(str, found.silent[:_LISTED]))
        named += f" and {len(found.silent) - _LISTED} more" if len(found.silent) > _LISTED else ""
        silent = f" Asked for, and in no count of categories, because they fire on no prompt: {named}."
    return f"Prompts: {sizes}{against}.{few}{silent} {_CORRECTED.format(against=found.tests.against)}"
